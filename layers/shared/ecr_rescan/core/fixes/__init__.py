"""What has a fix: public fix data of distributions, joined with ECR's findings."""
