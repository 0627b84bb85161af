"""The embedded AWS: the whole service on a laptop, on moto, wired from template.yaml."""
