"""The command ``ecr-rescan``: what people and builds do with a deployment, by its API alone."""
