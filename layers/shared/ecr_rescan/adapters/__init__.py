"""The AWS services behind small interfaces: boto3 in, domain values and our errors out."""
