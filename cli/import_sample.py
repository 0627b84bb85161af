"""Takes over the scan configurations of the older sample, ``<uuid>.json`` at the root of a bucket.

    ecr-rescan import-sample OLD_BUCKET NEW_BUCKET [--dry-run]

Ids and creation times stay; what is there already is left alone, so that it can be run again. The older bucket is only
read. Feeds open with tokens now: make one for each configuration with ``POST /configs/{id}/tokens``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cli.arguments import Parser
from cli.errors import TROUBLE
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import InvalidConfigurationError
from ecr_rescan.core.keys import config_key, is_configuration_id

LARGEST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Taken:
    """A configuration that is there now, or would be; ``was_there`` says that it was before."""

    configuration: ScanConfiguration
    was_there: bool


@dataclass(frozen=True, slots=True)
class Left:
    """An object that is no configuration of the sample's, and why."""

    key: str
    problem: str


def import_all(s3: Any, old: str, new: str, now: datetime, *, dry_run: bool = False) -> list[Taken | Left]:
    """Copy every configuration at the root of ``old`` into ``new``, in the order of the keys.

    Raises:
        ClientError, BotoCoreError: S3 refused; what was copied before stays, and is left alone next time.
    """
    done: list[Taken | Left] = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=old, Delimiter="/"):
        for listed in page.get("Contents", ()):
            key: str = listed["Key"]
            if listed["Size"] > LARGEST_BYTES:
                done.append(Left(key, f"is larger than {LARGEST_BYTES} bytes"))
                continue
            read = convert(key, s3.get_object(Bucket=old, Key=key)["Body"].read(), now)
            if isinstance(read, Left):
                done.append(read)
            else:
                done.append(Taken(read, was_there=not _write(s3, new, read, dry_run=dry_run)))
    return done


def convert(key: str, body: bytes, now: datetime) -> ScanConfiguration | Left:
    """A configuration of the sample's as one of ours. It selects from ``now`` on: what is there already is no news."""
    configuration_id = key.removesuffix(".json")
    if not key.endswith(".json") or not is_configuration_id(configuration_id):
        return Left(key, "is not named <uuid>.json")
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return Left(key, "is not JSON")
    if not isinstance(fields, dict):
        return Left(key, "is not a JSON object")
    asked = {name: fields[name] for name in ("region", "registry", "repository") if name in fields}
    # The sample writes null where every tag is meant.
    asked["tags"] = fields.get("tags") or []
    try:
        configuration = ScanConfiguration.from_wire(asked, id=configuration_id, now=now)
    except InvalidConfigurationError as error:
        return Left(key, str(error))
    return replace(configuration, created=_created(fields.get("created"), configuration.created))


def _created(text: object, otherwise: datetime) -> datetime:
    # The sample writes seconds since 1970, as text.
    try:
        return datetime.fromtimestamp(int(str(text)), UTC)
    except (ValueError, OverflowError, OSError):
        return otherwise


def _write(s3: Any, bucket: str, configuration: ScanConfiguration, *, dry_run: bool) -> bool:
    """Whether it was not there before."""
    key = config_key(configuration.id)
    if dry_run:
        return not any(item["Key"] == key for item in s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", ()))
    try:
        s3.put_object(
            Bucket=bucket,
            Key=key,
            Body=configuration.to_document(),
            ContentType="application/json",
            IfNoneMatch="*",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "PreconditionFailed":
            return False
        raise
    return True


def main(arguments: Sequence[str]) -> int:
    """Import, and say line by line what became of each object; 1 where something was left out."""
    parser = Parser(prog="ecr-rescan import-sample", description="Import the sample's configurations.")
    parser.add_argument("old", metavar="OLD_BUCKET", help="the sample's bucket; only read")
    parser.add_argument("new", metavar="NEW_BUCKET", help="the stack's output BucketName")
    parser.add_argument("--dry-run", action="store_true", help="write nothing, only say what would be done")
    asked = parser.parse_args(arguments)
    try:
        done = import_all(boto3.client("s3"), asked.old, asked.new, datetime.now(UTC), dry_run=asked.dry_run)
    except (ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return TROUBLE
    for each in done:
        if isinstance(each, Left):
            print(f"left out     {each.key!r}: {each.problem}")
        else:
            what = "was there" if each.was_there else "would import" if asked.dry_run else "imported"
            found = each.configuration
            print(f"{what:12} {found.id} {found.registry}/{found.region}/{','.join(found.repository)}")
    return int(any(isinstance(each, Left) for each in done))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
