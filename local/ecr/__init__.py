"""A faithful image registry: what moto's ECR lacks, as an engine of its own and as a patch on moto."""
