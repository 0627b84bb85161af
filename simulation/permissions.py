"""The bucket as a deployed role may use it: what template.yaml does not allow is denied, and every use is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.template import Template
from simulation.s3 import Bucket

_TEMPLATE = Path(__file__).parent.parent / "template.yaml"


@dataclass(frozen=True, slots=True)
class Role:
    """What a function's role grants: (action, resource) pairs; resources of the bucket are patterns of keys."""

    grants: frozenset[tuple[str, str]]

    def allows(self, action: str, key: str = "") -> bool:
        """Whether an action is granted; for one on an object, on that key."""
        return any(action == granted and fnmatchcase(key, pattern) for granted, pattern in self.grants)


@cache
def role(function: str) -> Role:
    """The role of a function, as the template deploys it."""
    template = Template(_TEMPLATE, "")
    bucket = template.resolve({"Fn::GetAtt": ["Bucket", "Arn"]}, "Bucket")
    (policies,) = (
        properties["Policies"]
        for name, properties in template.of_type("AWS::IAM::Role").items()
        if name == f"{function}Role"
    )
    grants = set()
    for policy in policies:
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow", "a statement that denies is not known to the simulation"
            actions, resources = statement["Action"], statement["Resource"]
            for action in [actions] if isinstance(actions, str) else actions:
                for resource in [resources] if isinstance(resources, str) else resources:
                    of_object = resource.removeprefix(f"{bucket}/") if resource.startswith(f"{bucket}/") else "*"
                    grants.add((action, of_object))
    return Role(frozenset(grants))


@dataclass(slots=True)
class DeployedBucket:
    """A boto3 S3 client with the permissions of a role. ``used``: (operation, key or prefix) → how often."""

    bucket: Bucket
    role: Role
    used: Counter[tuple[str, str]] = field(default_factory=Counter)
    _known: dict[tuple[str, str], bool] = field(default_factory=dict)

    def get_object(self, **parameters: Any) -> dict[str, Any]:
        """GetObject."""
        self._check("GetObject", parameters["Key"])
        return self.bucket.get_object(**parameters)

    def put_object(self, **parameters: Any) -> dict[str, Any]:
        """PutObject."""
        self._check("PutObject", parameters["Key"])
        return self.bucket.put_object(**parameters)

    def delete_object(self, **parameters: Any) -> dict[str, Any]:
        """DeleteObject."""
        self._check("DeleteObject", parameters["Key"])
        return self.bucket.delete_object(**parameters)

    def get_paginator(self, operation: str) -> DeployedBucket:
        """Of ListObjectsV2."""
        self.bucket.get_paginator(operation)
        return self

    def paginate(self, **parameters: Any) -> Iterator[dict[str, Any]]:
        """The pages of ListObjectsV2."""
        self._check("ListBucket", "")
        for page in self.bucket.paginate(**parameters):
            self.used["ListObjectsV2", parameters["Prefix"]] += 1
            yield page

    def _check(self, action: str, key: str) -> None:
        if key:
            self.used[action, key] += 1
        asked = (action, key)
        if asked not in self._known:
            self._known[asked] = self.role.allows(f"s3:{action}", key)
        if not self._known[asked]:
            raise ClientError(
                {
                    "Error": {"Code": "AccessDenied", "Message": "Access Denied"},
                    "ResponseMetadata": {"HTTPStatusCode": 403, "RetryAttempts": 0},
                },
                action,
            )
