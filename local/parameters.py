"""A value for each of the template's parameters that is not its default: what is checked with everything set."""

from __future__ import annotations

from collections.abc import Mapping

PARTITIONS = {
    "us-east-1": "aws",
    "cn-north-1": "aws-cn",
    "us-gov-west-1": "aws-us-gov",
    "eusc-de-east-1": "aws-eusc",
}
"""A Region of each partition that the service is meant for → the partition."""

NOT_TOGETHER = frozenset({"OpenToVpcEndpoints"})
"""Parameters that can't be set together with all the others: a private API takes no domain of this kind."""


def every(region: str) -> Mapping[str, str]:
    """A value for each parameter but those of ``NOT_TOGETHER``, by name, as somebody in this Region would give it."""
    partition = PARTITIONS[region]
    key = f"arn:{partition}:kms:{region}:123456789012:key/0b0e7e4a-9c3e-4e6e-8b1f-0a1b2c3d4e5f"
    return {
        "NotificationEmail": "security@example.com",
        "AlarmTopicArn": f"arn:{partition}:sns:{region}:123456789012:pages",
        "AlarmActions": "false",
        "PublicUrl": "https://scans.example.com/base",
        "Scanning": "paused",
        "Schedule": "rate(10 minutes)",
        "AllowedRoles": f"arn:{partition}:iam::210987654321:role/a,arn:{partition}:iam::210987654321:role/b*",
        "RoleExternalId": "an-external-id",
        "OrganizationId": "o-a1b2c3d4e5",
        "OrganizationRole": "security/ecr-rescan",
        "SignalsFrom": "s3://copies-of-signals/lists/",
        "EpssLikely": "0.5",
        "SlaDaysExploited": "1",
        "UnratedAs": "HIGH",
        "SlaDaysCritical": "4",
        "SlaDaysHigh": "14",
        "SlaDaysMedium": "60",
        "SlaDaysLow": "365",
        "HistoryDays": "90",
        "LogRetentionDays": "7",
        "LogLevel": "DEBUG",
        "Tracing": "true",
        "ApiAccessLogs": "true",
        "AuditCopies": "true",
        "OpenToAddresses": "203.0.113.0/24,2001:db8::/32",
        "ExecuteApiEndpoint": "false",
        "ApiRate": "50",
        "ApiBurst": "100",
        "FeedRate": "20",
        "FeedBurst": "40",
        "DomainName": "scans.example.com",
        "CertificateArn": f"arn:{partition}:acm:{region}:123456789012:certificate/0b0e7e4a-9c3e-4e6e-8b1f-0a1b2c3d4e5f",
        "HostedZoneId": "Z0123456789ABCDEFGHIJ",
        "PermissionsBoundary": f"arn:{partition}:iam::123456789012:policy/boundaries/workloads",
        "RolePath": "/service/ecr-rescan/",
        "BucketKeyArn": key,
        "QueueKeyArn": key,
        "TopicKeyArn": key,
        "LogsKeyArn": key,
        "Architecture": "x86_64",
        "StartScanMemory": "2048",
        "ApiMemory": "3008",
        "ExistingBucket": "ecr-rescan-bucket-1a2b3c4d5e6f",
    }
