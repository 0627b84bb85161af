"""A scan configuration: which images to scan again and what to tell whom about them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from ecr_rescan.core import keys
from ecr_rescan.core.checks import Checks
from ecr_rescan.core.errors import DocumentError, Fault, InvalidConfigurationError, UnknownSchemaError
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.shapes import REGION, REGISTRY, ROLE_ARN
from ecr_rescan.core.times import from_text, to_text, whole_seconds

SCHEMA = 1

DISCOVERED, FIXABLE = "discovered", "fixable"
"""From when the days allowed run."""

MOST_PATTERNS = 1000
"""Names and globs in one configuration, those of its suppressions included: each is tried against many things."""

LARGEST_BYTES = 128 * 1024
"""What one configuration may take in the bucket."""

_SETTABLE = (
    "region",
    "registry",
    "repository",
    "tags",
    "newest",
    "severity",
    "notify",
    "clock",
    "exploited",
    "ignore",
    "owner",
    "role_arn",
    "description",
)
# What answers add to a configuration. A person who sends an answer back, edited, means the rest of it.
ANSWERED: dict[str, type] = {
    "id": str,
    "created": str,
    "updated": str,
    "feed_url": str,
    "changes_feed_url": str,
    "first_results": dict,
    "warnings": list,
}
_STORED = ("schema", "selected_since", "selection")
_NOTIFY = ("severity", "fixable")
_SUPPRESSION = ("vulnerability", "package", "tags", "reason", "until")

# A leading ! would exclude, and so suppress everything else.
_VULNERABILITY = re.compile(r"(?!!)[!-~]{1,256}", re.ASCII)
_PACKAGE = re.compile(r"(?!!)[ -~]{1,256}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Suppression:
    """Findings that a configuration doesn't want to hear about, and why.

    ``vulnerability`` is an id or a glob; ``package`` and ``tags`` narrow it where they are given; ``until`` is the last
    day on which it applies (UTC), None for always.
    """

    vulnerability: str
    reason: str
    package: str | None = None
    tags: tuple[str, ...] = ()
    until: date | None = None

    def applies_on(self, day: date) -> bool:
        """Whether it still applies on that day, UTC."""
        return self.until is None or day <= self.until

    def to_wire(self) -> dict[str, object]:
        """As it was given; what is left out narrows nothing."""
        wire: dict[str, object] = {"vulnerability": self.vulnerability}
        if self.package is not None:
            wire["package"] = self.package
        if self.tags:
            wire["tags"] = list(self.tags)
        wire["reason"] = self.reason
        if self.until is not None:
            wire["until"] = self.until.isoformat()
        return wire


@dataclass(frozen=True, slots=True)
class ScanConfiguration:
    """What a person asked for, checked.

    Attributes:
        id: a UUID in lower case.
        created, updated: aware, UTC; ``updated`` is when it was last written with a change.
        selected_since: when the selection (region, registry, repository, tags, newest) last changed: what it selects
            newly is no news.
        repository: names or globs, ``!`` excluding.
        repository_listed: whether ``repository`` was given as a list, to be answered as it was given.
        tags: names or globs, ``!`` excluding; none means every tagged image.
        newest: only that many most recently pushed images per repository; None for all.
        severity: the least severe to show; None for all.
        notify: the least severe to send.
        notify_fixable: whether only what has a fix is sent, and what has none when it gets one.
        clock: from when the days allowed run: ``discovered``, or ``fixable``, that is, from the day that a fix exists.
        exploited: whether a message is sent when something open becomes known as exploited.
        ignore: the suppressions, in the order given.
        owner: an attribute of messages, for filtering.
        role_arn: the role to assume for another account's images.
    """

    id: str
    created: datetime
    updated: datetime
    selected_since: datetime
    region: str
    registry: str
    repository: tuple[str, ...]
    repository_listed: bool = False
    tags: tuple[str, ...] = ()
    newest: int | None = None
    severity: Severity | None = None
    notify: Severity = Severity.HIGH
    notify_fixable: bool = False
    clock: str = DISCOVERED
    exploited: bool = True
    ignore: tuple[Suppression, ...] = ()
    owner: str | None = None
    role_arn: str | None = None
    description: str | None = None

    @classmethod
    def from_wire(
        cls, body: object, *, id: str, now: datetime, previous: ScanConfiguration | None = None
    ) -> ScanConfiguration:
        """Read a request's body; ``previous`` is what it replaces, and is answered itself when nothing differs.

        Raises:
            InvalidConfigurationError: with every fault of the body.
        """
        moment = whole_seconds(now)
        asked = _read(body, id, (), created=moment, updated=moment, selected_since=moment)
        if faults := _too_much(asked):
            raise InvalidConfigurationError(faults)
        if previous is None:
            return asked
        kept = replace(asked, created=previous.created)
        if _selection(kept) == _selection(previous):
            kept = replace(kept, selected_since=previous.selected_since)
        return previous if replace(kept, updated=previous.updated) == previous else kept

    @classmethod
    def from_document(cls, body: bytes, *, id: str, modified: datetime) -> ScanConfiguration:
        """Read what is stored under an id, be it ours or written by a person.

        ``modified`` is when the object was last written. It stands for the times that a person's object lacks, and
        for ``selected_since`` when the selection was edited in the bucket.

        Raises:
            UnknownSchemaError: a later version wrote it.
            DocumentError: it is not a configuration, or not that one's.
        """
        key = keys.config_key(id)
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise DocumentError(key, "is not JSON") from error
        if not isinstance(fields, dict):
            raise DocumentError(key, "is not a JSON object")
        schema = fields.get("schema", SCHEMA)
        if schema != SCHEMA:
            raise UnknownSchemaError(key, schema)
        moment = whole_seconds(modified)
        try:
            configuration = _read(
                fields,
                id,
                _STORED,
                lenient=True,
                created=_moment(fields, "created", moment),
                updated=_moment(fields, "updated", moment),
                selected_since=_moment(fields, "selected_since", moment),
            )
        except InvalidConfigurationError as error:
            raise DocumentError(key, str(error)) from error
        if fields.get("selection") == _selection(configuration):
            return configuration
        return replace(configuration, selected_since=moment)

    def to_wire(self) -> dict[str, object]:
        """What the API answers: every field, null where nothing was given; ``tags`` is always a list."""
        return {
            "id": self.id,
            "created": to_text(self.created),
            "updated": to_text(self.updated),
            "region": self.region,
            "registry": self.registry,
            "repository": list(self.repository) if self.repository_listed else self.repository[0],
            "tags": list(self.tags),
            "newest": self.newest,
            "severity": self.severity,
            "notify": {"severity": self.notify, "fixable": True} if self.notify_fixable else self.notify,
            "clock": self.clock,
            "exploited": self.exploited,
            "ignore": [suppression.to_wire() for suppression in self.ignore],
            "owner": self.owner,
            "role_arn": self.role_arn,
            "description": self.description,
        }

    def to_document(self) -> bytes:
        """What is stored; the same configuration gives the same bytes."""
        document = {
            "schema": SCHEMA,
            **self.to_wire(),
            "selected_since": to_text(self.selected_since),
            "selection": _selection(self),
        }
        return json.dumps(document, ensure_ascii=False, indent=1).encode()


def _selection(configuration: ScanConfiguration) -> str:
    """A fingerprint of what is selected, by which an edit made in the bucket is noticed."""
    selecting = (
        configuration.region,
        configuration.registry,
        configuration.repository,
        configuration.tags,
        configuration.newest,
    )
    return hashlib.sha256(json.dumps(selecting).encode()).hexdigest()[:16]


def _moment(fields: Mapping[str, object], name: str, otherwise: datetime) -> datetime:
    # The sample that this service succeeds stored ``created`` as seconds in a string: such a time is the object's own.
    try:
        return whole_seconds(from_text(str(fields[name])))
    except (KeyError, ValueError, OverflowError):
        return otherwise


def _too_much(asked: ScanConfiguration) -> list[Fault]:
    """What would cost others, although each part of it is right."""
    patterns = len(asked.repository) + len(asked.tags) + sum(1 + len(one.tags) for one in asked.ignore)
    if patterns > MOST_PATTERNS:
        return [
            Fault("ignore", f"has too many patterns: {patterns:,} in this configuration, of at most {MOST_PATTERNS:,}")
        ]
    if (size := len(asked.to_document())) > LARGEST_BYTES:
        return [Fault("body", f"takes {size:,} bytes as it is stored, of at most {LARGEST_BYTES:,}")]
    return []


def _read(
    body: object,
    id: str,
    more: tuple[str, ...],
    *,
    created: datetime,
    updated: datetime,
    selected_since: datetime,
    lenient: bool = False,
) -> ScanConfiguration:
    if not isinstance(body, dict):
        raise InvalidConfigurationError([Fault("body", "must be a JSON object")])
    checks = Checks(body, lenient=lenient)
    region = checks.shaped("region", REGION, "a Region such as eu-west-1", required=True)
    registry = checks.shaped("registry", REGISTRY, "an account id: a string of 12 digits", required=True)
    repository = checks.repositories("repository")
    role_arn = checks.shaped("role_arn", ROLE_ARN, "the ARN of an IAM role: arn:aws:iam::123456789012:role/name")
    notify, notify_fixable = _read_notify(checks, body.get("notify"))
    configuration = ScanConfiguration(
        id=id,
        created=created,
        updated=updated,
        selected_since=selected_since,
        region=region or "",
        registry=registry or "",
        repository=repository,
        repository_listed=isinstance(body.get("repository"), list),
        tags=checks.tags("tags"),
        newest=checks.number("newest", least=1, most=1000),
        severity=checks.severity("severity"),
        notify=notify or Severity.HIGH,
        notify_fixable=notify_fixable,
        clock=checks.one_of("clock", (DISCOVERED, FIXABLE)),
        exploited=checks.flag("exploited", otherwise=True),
        ignore=_read_ignore(checks),
        owner=checks.text("owner", longest=100),
        role_arn=role_arn,
        description=checks.text("description", longest=500),
    )
    if role_arn and registry and (role := ROLE_ARN.fullmatch(role_arn)) and role[1] != registry:
        checks.fault("role_arn", f"must be a role of the registry's own account, {registry}")
    checks.only((*_SETTABLE, *ANSWERED, *more))
    for name, kind in ANSWERED.items():
        if not isinstance(body.get(name), kind | None):
            checks.fault(name, "is set by the service; leave it out")
    if isinstance(named := body.get("id"), str) and named != id:
        checks.fault("id", "is another configuration's")
    if checks.faults:
        raise InvalidConfigurationError(checks.faults)
    return configuration


def _read_notify(checks: Checks, value: object) -> tuple[Severity | None, bool]:
    """A severity, or an object with one and ``fixable``."""
    if not isinstance(value, dict):
        return checks.severity("notify"), False
    entry = checks.nested("notify", value)
    entry.only(_NOTIFY)
    return entry.severity("severity"), entry.flag("fixable", otherwise=False)


def _read_ignore(checks: Checks) -> tuple[Suppression, ...]:
    suppressions = []
    for entry in checks.objects("ignore", most=500):
        vulnerability = entry.glob(
            "vulnerability", _VULNERABILITY, "a vulnerability's id or a glob such as CVE-2026-*", required=True
        )
        reason = entry.text("reason", longest=500, required=True)
        suppressions.append(
            Suppression(
                vulnerability=vulnerability or "",
                reason=reason or "",
                package=entry.glob("package", _PACKAGE, "a package's name or a glob such as openssl*"),
                tags=entry.tags("tags"),
                until=entry.day("until"),
            )
        )
        entry.only(_SUPPRESSION)
    return tuple(suppressions)
