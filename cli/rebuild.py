"""Reads a repository from ECR completely, shows what the record says otherwise, and rebuilds the record on request.

``ecr-rescan rebuild --bucket B --registry 123456789012 --region eu-west-1 --repository team/app [--apply]``
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from cli.arguments import Parser
from cli.errors import DONE, TROUBLE, USAGE
from ecr_rescan.adapters.backoff import PatientClient
from ecr_rescan.adapters.configurations import ConfigurationStore
from ecr_rescan.adapters.credentials import AssumedRoles, Credentials, EcrClients
from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.adapters.ecr import Registry
from ecr_rescan.core.changes.findings import FindingKey, FindingsDocument
from ecr_rescan.core.changes.image_list import ImageFact
from ecr_rescan.core.changes.rebuilding import differences, rebuild
from ecr_rescan.core.changes.recording import Changes, Update, announce
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import DocumentError, EcrRescanError, RegistryError, UnknownSchemaError
from ecr_rescan.core.naming import Naming
from ecr_rescan.core.scan_result import NoResult, NoResultReason, ScanResult
from ecr_rescan.core.scanning.facts import Facts, apply_images, apply_scans, unconfirmed
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.core.scanning.listing import image_facts, selected_images, unresolved
from ecr_rescan.core.times import whole_seconds
from ecr_rescan.runtime import clock
from ecr_rescan.runtime.scanning.looking import list_repository, resolve
from ecr_rescan.runtime.scanning.notice_board import NoticeBoard
from ecr_rescan.runtime.scanning.place import Place
from ecr_rescan.runtime.scanning.registries import roles_of

_ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, max_pool_connections=16)
_LOST = (
    "first-seen dates, what was resolved, and which alerts were announced are not in ECR: everything found is baseline "
    "as of now, and alerts that were new, spread, reopened or escalated come back in feeds under other ids. An earlier "
    "version of the object in the bucket, restored, would keep them"
)


D = TypeVar("D", FindingsDocument, Ledger)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What ECR shows: as facts for the ledger, and as an update of the findings."""

    facts: Facts
    update: Update


class Rebuilding:
    """Of one repository, for the configurations that name it."""

    def __init__(self, documents: DocumentStore, place: Place, registry: Registry, now: datetime) -> None:
        self._documents = documents
        self._place = place
        self._registry = registry
        self._now = now
        self.notes: list[str] = []

    def run(self, configurations: Sequence[ScanConfiguration], *, complete: bool, apply: bool) -> list[str]:
        """What differs; with ``apply``, after it was written. ``notes`` then tells what a person should know of it.

        Raises:
            UnknownSchemaError: another version of the service wrote a document: it is left alone.
            RegistryError: ECR can't be read.
            StoreError, ConflictError: S3 failed, or the service kept writing at the same time.
        """
        seen = self._look(self._ledger(), configurations)
        before = self._findings()
        after = FindingsDocument.from_json(self._place.findings_key, before.to_json())
        rebuild(after, seen.update, configurations, self._now, keep_all=not complete)
        found = differences(before, after)
        if apply:
            self._write(seen, configurations, before.images_version, complete=complete)
        return found

    def _look(self, ledger: Ledger, configurations: Sequence[ScanConfiguration]) -> _Seen:
        facts = Facts(began=self._now)
        list_repository(self._registry, ledger, facts)
        apply_images(ledger, facts, self._now)
        if facts.problem:
            self.notes.append(f"the images could not be listed: {facts.problem}")
        if facts.missing:
            self.notes.append("the repository is not there")
        indexes = unresolved(ledger, selected_images(ledger, configurations))
        resolve(self._registry, self._place.repository, indexes, facts)
        apply_images(ledger, facts, self._now)
        chosen = selected_images(ledger, configurations)
        digests = sorted({manifest for digest in chosen for manifest in ledger.manifests_of(digest)})
        with ThreadPoolExecutor(16) as pool:
            facts.answers = list(pool.map(functools.partial(self._registry.findings, self._place.repository), digests))
        apply_images(ledger, facts, self._now)
        apply_scans(ledger, facts, self._now)
        unread = [
            answer
            for answer in facts.answers
            if isinstance(answer, NoResult) and answer.reason is NoResultReason.UNAVAILABLE
        ]
        if unread:
            self.notes.append(f"{len(unread)} results could not be read and stay as recorded: {unread[0].detail}")
        images: Sequence[ImageFact] | None = None if facts.problem else image_facts(ledger)
        results = {answer.digest: answer for answer in facts.answers if isinstance(answer, ScanResult)}
        return _Seen(facts, Update(images, results, unconfirmed(ledger)))

    def _ledger(self) -> Ledger:
        key = self._place.images_key
        try:
            stored = self._documents.get(key)
            return Ledger.from_json(key, stored.body) if stored else Ledger(*self._place, since=self._now)
        except UnknownSchemaError:
            raise
        except DocumentError as error:
            self.notes.append(f"the image ledger can't be used and begins anew: {error.problem}")
            return Ledger(*self._place, since=self._now)

    def _findings(self) -> FindingsDocument:
        key = self._place.findings_key
        try:
            stored = self._documents.get(key)
            if stored is not None:
                return FindingsDocument.from_json(key, stored.body)
            self.notes.append(f"there is no findings document; {_LOST}")
        except UnknownSchemaError:
            raise
        except DocumentError as error:
            self.notes.append(f"the findings document can't be used ({error.problem}); {_LOST}")
        return FindingsDocument(*self._place, self._now, self._now)

    def _write(
        self, seen: _Seen, configurations: Sequence[ScanConfiguration], recorded: int, *, complete: bool
    ) -> None:
        board = NoticeBoard(self._documents)
        key = self._place.findings_key
        version = 0

        def images(body: bytes | None) -> bytes:
            nonlocal version
            fresh = _read_or(Ledger.from_json, self._place.images_key, body, Ledger(*self._place, since=self._now))
            before = image_facts(fresh)
            apply_images(fresh, seen.facts, self._now)
            if image_facts(fresh) != before or fresh.version < recorded:
                fresh.version = max(fresh.version, recorded) + 1
            version = fresh.version
            return fresh.to_json()

        def findings(body: bytes | None) -> bytes:
            document = _read_or(
                FindingsDocument.from_json, key, body, FindingsDocument(*self._place, self._now, self._now)
            )
            # Where the service has written a later version meanwhile, its images are the newer ones.
            is_newest = document.images_version <= version
            update = seen.update if is_newest else replace(seen.update, images=None)
            changes = rebuild(document, update, configurations, self._now, keep_all=not complete)
            document.images_version = max(document.images_version, version)
            announce(document, changes, self._waves(board, changes), self._now)
            return document.to_json()

        def scans(body: bytes | None) -> bytes:
            fresh = _read_or(Ledger.from_json, self._place.images_key, body, Ledger(*self._place, since=self._now))
            apply_images(fresh, seen.facts, self._now)
            apply_scans(fresh, seen.facts, self._now)
            return fresh.to_json()

        # In the service's order, see Repositories.
        for place, change in ((self._place.images_key, images), (key, findings), (self._place.images_key, scans)):
            self._clear_damage(place)
            self._documents.update(place, change)

    def _waves(self, board: NoticeBoard, changes: Changes) -> dict[str, dict[FindingKey, datetime]]:
        return {
            config_id: board.join_waves(
                config_id, changes.opened.get(config_id, []), self._place.findings_key, self._now
            )
            for config_id in sorted(changes.opened.keys() | changes.raised.keys())
        }

    def _clear_damage(self, key: str) -> None:
        """Remove what can't even be uncompressed; the bucket keeps it as an earlier version."""
        try:
            self._documents.get(key)
        except DocumentError:
            self._documents.delete(key)


def _read_or(read: Callable[[str, bytes], D], key: str, body: bytes | None, new: D) -> D:
    """The document as it is stored now; a new one where that can't be used."""
    if body is None:
        return new
    try:
        return read(key, body)
    except UnknownSchemaError:
        raise
    except DocumentError:
        return new


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 where nothing differs or it was applied, 1 where something does or in trouble, 3 for usage."""
    asked = _parser().parse_args(arguments)
    place = Place(asked.registry, asked.region, asked.repository)
    documents = DocumentStore(boto3.client("s3"), asked.bucket)
    try:
        listed = ConfigurationStore(documents).list_all()
        configurations = Naming(listed.valid).of(place)
        if not configurations:
            print("No configuration names this repository: there is nothing to record.", file=sys.stderr)
            return USAGE
        now = whole_seconds(clock.now())
        rebuilding = Rebuilding(documents, place, _registry(place, configurations, asked.external_id), now)
        found = rebuilding.run(configurations, complete=not listed.problems, apply=asked.apply)
    except EcrRescanError as error:
        print(f"Nothing was rebuilt: {error}", file=sys.stderr)
        return TROUBLE
    for note in rebuilding.notes:
        print(f"Note: {note}.")
    print("\n".join(found) or "Nothing differs.")
    if asked.apply:
        print("Written. Changes are announced within about half an hour.")
    elif found:
        print("Not written: give --apply to.")
    return TROUBLE if found and not asked.apply else DONE


def _parser() -> Parser:
    parser = Parser(prog="ecr-rescan rebuild", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bucket", required=True, help="the deployment's bucket")
    parser.add_argument("--registry", required=True, help="the account of the registry, 12 digits")
    parser.add_argument("--region", required=True, help="its Region")
    parser.add_argument("--repository", required=True, help="the repository's name")
    parser.add_argument("--external-id", default="", help="for a configuration's role_arn, where its role asks for one")
    parser.add_argument("--apply", action="store_true", help="write what was rebuilt; without it nothing is changed")
    return parser


def _registry(place: Place, configurations: Sequence[ScanConfiguration], external_id: str) -> Registry:
    sessions = AssumedRoles(boto3.client("sts"), external_id=external_id, now=clock.now)
    ecr_clients = EcrClients(_client, sessions)
    clients, refused = [], None
    for role in roles_of(configurations):
        try:
            clients.append(PatientClient(ecr_clients.client(place.region, role or None)))
        except RegistryError as error:
            refused = error
    if not clients and refused:
        raise refused
    return Registry(lambda: clients, registry=place.registry, region=place.region)


def _client(region: str, credentials: Credentials | None) -> Any:
    given = {}
    if credentials is not None:
        given = {
            "aws_access_key_id": credentials.access_key_id,
            "aws_secret_access_key": credentials.secret_access_key,
            "aws_session_token": credentials.session_token,
        }
    return boto3.client("ecr", region_name=region, config=_ONCE, **given)


if __name__ == "__main__":
    sys.exit(main())
