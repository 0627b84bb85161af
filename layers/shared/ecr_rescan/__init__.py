"""ecr-rescan: keeps re-scanning the container images in Amazon ECR and tells people only what changed."""
