"""Fake AWS credentials for every test, set before anything imports boto3, so that no test can reach a real account."""

from __future__ import annotations

import os

for _name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[_name]
os.environ.update(
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    AWS_SESSION_TOKEN="testing",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_REGION="us-east-1",
    AWS_EC2_METADATA_DISABLED="true",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    # As in the template: powertools reads them when the functions are imported.
    POWERTOOLS_SERVICE_NAME="ecr-rescan",
    POWERTOOLS_METRICS_NAMESPACE="EcrRescan",
)
