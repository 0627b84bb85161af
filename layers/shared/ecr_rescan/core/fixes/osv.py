"""Reads OSV's single objects and its lists of what changed, strictly: they are foreign bytes.

Only Debian, Ubuntu and Alpine have an object for each vulnerability; advisories (DSA, USN, RLSA …) are refused. Form:
https://ossf.github.io/osv-schema/; what was met in real records is in ``docs/fixes.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from ecr_rescan.core.errors import SignalError
from ecr_rescan.core.fixes.distributions import IN_OSV, PRO, UBUNTU, Distribution, release_in
from ecr_rescan.core.fixes.records import Record, Span

_ID = re.compile(r"(DEBIAN-|UBUNTU-|ALPINE-)(CVE-\d{4}-\d{1,19})", re.ASCII)
_ANY_ID = re.compile(r"[!-+\--~ ]{1,120}", re.ASCII)
_TEXT = re.compile(r"[!-~]{1,200}", re.ASCII)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?Z", re.ASCII)
_MOST_AFFECTED = 20_000
_MOST_CHANGES = 5_000_000
_BY_PREFIX = {one.prefix: one for one in IN_OSV}

_Spans = dict[str, dict[str, tuple[Span, ...]]]


def read_osv(distribution: Distribution, vulnerability: str, body: bytes) -> Record:
    """The object of one vulnerability of one distribution.

    Raises:
        SignalError: it is anything else, or a part of it is.
    """
    source = distribution.key
    try:
        wire = orjson.loads(body)
    except ValueError as error:
        raise SignalError(source, "sent a record that is not JSON") from error
    if not isinstance(wire, dict) or wire.get("id") != f"{distribution.prefix}{vulnerability}":
        raise SignalError(source, "sent another record than the one asked for")
    affected = _or_empty(wire.get("affected"))
    if not isinstance(affected, list) or len(affected) > _MOST_AFFECTED:
        raise SignalError(source, "sent a record with another form of what is affected")
    packages: _Spans = {}
    binaries: _Spans = {}
    for entry in affected:
        _take(distribution, entry, packages, binaries)
    return Record(packages, binaries, wire.get("withdrawn") is not None)


def of_id(identifier: object) -> tuple[Distribution, str]:
    """The distribution and vulnerability of an OSV id.

    Raises:
        SignalError: it is an advisory's, or that of a distribution that has no objects by vulnerability.
    """
    found = _ID.fullmatch(identifier) if isinstance(identifier, str) else None
    if found is None:
        raise SignalError("osv", "is no record of one vulnerability in Debian, Ubuntu or Alpine")
    return _BY_PREFIX[found[1]], found[2]


def read_changes(distribution: Distribution, lines: Iterable[bytes]) -> Iterator[tuple[datetime, str]]:
    """What ``modified_id.csv`` lists, newest first: when (whole seconds), and the vulnerability; advisories left out.

    The list is sorted as text, so that within a second the order means nothing.

    Raises:
        SignalError: a line is of another form.
    """
    for number, line in enumerate(lines, 1):
        moment, comma, identifier = line.decode("ascii", "replace").strip().partition(",")
        at = _MOMENT.fullmatch(moment)
        if at is None or not comma or not _ANY_ID.fullmatch(identifier) or number > _MOST_CHANGES:
            raise SignalError(distribution.key, f"lists changes in another form in line {number}")
        found = _ID.fullmatch(identifier)
        if found is not None and found[1] == distribution.prefix:
            yield _moment(distribution, at[1]), found[2]


def _moment(distribution: Distribution, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise SignalError(distribution.key, "lists a change of no day") from error


def _take(distribution: Distribution, entry: object, packages: _Spans, binaries: _Spans) -> None:
    if not isinstance(entry, dict) or not isinstance(entry.get("package"), dict):
        raise _malformed(distribution)
    name, ecosystem = entry["package"].get("name"), entry["package"].get("ecosystem")
    specific = entry.get("ecosystem_specific") or {}
    ranges = _or_empty(entry.get("ranges"))
    if not _is_text(name) or not isinstance(ecosystem, str):
        raise _malformed(distribution)
    if not isinstance(specific, dict) or not isinstance(ranges, list):
        raise _malformed(distribution)
    release = release_in(distribution, ecosystem)
    if release is None:
        return
    if "Ubuntu Pro" in str(specific.get("availability", "")) and not release.endswith(PRO):
        release += PRO
    ended = specific.get("urgency") == "end-of-life"
    spans = tuple(span for one in ranges for span in _spans(distribution, one, ended))
    _add(packages, name, release, spans)
    if distribution is UBUNTU:
        for binary, version in _binaries(specific.get("binaries")):
            own = tuple(Span(version if span.fixed else "", "", span.ended) for span in spans)
            _add(binaries, binary, release, own)


def _add(into: _Spans, name: str, release: str, spans: tuple[Span, ...]) -> None:
    known = into.setdefault(name, {})
    # The same package may be listed again, once for each of the archive's parts.
    known[release] = tuple(dict.fromkeys((*known.get(release, ()), *spans)))


def _spans(distribution: Distribution, one: object, ended: bool) -> Iterator[Span]:
    if not isinstance(one, dict) or not isinstance(one.get("events"), list):
        raise _malformed(distribution)
    if one.get("type") != "ECOSYSTEM":
        return
    introduced: str | None = None
    for event in one["events"]:
        (kind, version), *others = event.items() if isinstance(event, dict) and event else [("", "")]
        if others or not _is_text(version):
            raise _malformed(distribution)
        if kind == "introduced":
            introduced = "" if version == "0" else version
        elif kind == "fixed" and introduced is not None:
            yield Span(version, introduced, ended)
            introduced = None
        else:
            # last_affected and limit say where it ends and not what fixes it; a fix before all, nothing.
            raise SignalError(distribution.key, "sent a record with events that are not understood")
    if introduced is not None:
        yield Span("", introduced, ended)


def _binaries(wire: object) -> Iterator[tuple[str, str]]:
    """Both of Ubuntu's forms: ``{"binary_name": …, "binary_version": …}``, and ``{name: version, …}`` of old."""
    for one in wire if isinstance(wire, list) else ():
        if not isinstance(one, Mapping):
            continue
        pairs: Iterable[tuple[Any, Any]] = one.items()
        if "binary_name" in one:
            pairs = [(one["binary_name"], one.get("binary_version"))]
        yield from ((name, version) for name, version in pairs if _is_text(name) and _is_text(version))


def _or_empty(value: object) -> object:
    return [] if value is None else value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and _TEXT.fullmatch(value) is not None


def _malformed(distribution: Distribution) -> SignalError:
    return SignalError(distribution.key, "sent a record of another form")
