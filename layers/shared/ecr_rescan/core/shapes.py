"""What ECR's names look like: Region, registry, digest, repository and tag, each defined here and nowhere else.

Facts: ECR API reference, CreateRepository, PutImage and ImageIdentifier; the Regions and partitions of the AWS SDKs.
All are to be matched in full. They are written so that a JSON schema can use them, too.
"""

from __future__ import annotations

import re

REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]{1,16}){1,3}-[0-9]{1,2}")
"""A Region's name, as ``us-east-1``, ``us-gov-west-1``, and ``eusc-de-east-1`` of the European Sovereign Cloud."""

REGISTRY = re.compile(r"[0-9]{12}")
"""A registry's id: that of the account."""

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
"""The digest of an image's manifest, as ECR writes it."""

_WORD = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
REPOSITORY = re.compile(rf"(?=.{{2,256}}$){_WORD}(?:/{_WORD})*")
"""A repository's name: words of lower-case letters and digits with single separators between, in parts with ``/``."""

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,299}")
"""An image's tag."""

REFERRER_TAG = re.compile(rf"{DIGEST.pattern.replace(':', '-')}(?:\.[a-z]+)?")
"""The tag of what is attached to an image and is none: cosign's signatures, attestations and SBOMs, and the OCI
referrers tag schema's indexes, are named after the digest of the image that they are about."""

LONGEST_REPOSITORY = 256
REPOSITORY_PATTERN = re.compile(r"!?[a-z0-9._/*?-]+")
"""What a repository's name, or a glob of such names, may consist of; a leading ``!`` excludes."""

LONGEST_TAG = 300
TAG_PATTERN = re.compile(r"!?[A-Za-z0-9_.*?-]+")
"""The same of tags."""

ROLE_ARN = re.compile(rf"arn:aws[a-z-]*:iam::({REGISTRY.pattern}):role/[A-Za-z0-9+=,.@_/-]{{1,512}}")
"""The ARN of an IAM role; its group is the account."""

REPOSITORY_ARN = re.compile(r"arn:aws[a-z-]*:ecr:(?P<region>[^:]+):(?P<registry>[^:]+):repository/(?P<repository>.+)")
"""The ARN of a repository, in whose stead Inspector's events name it; its parts are to be checked on their own."""
