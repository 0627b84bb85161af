"""Reads Amazon Linux's advisories (ALAS) from its repositories' ``updateinfo.xml``, and what leads there, strictly.

An advisory lists binary packages with epoch, version and release, and the vulnerabilities that it mends. Only what is
asked for is kept: the file has tens of thousands of packages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from xml.parsers import expat

from ecr_rescan.core.errors import SignalError
from ecr_rescan.core.fixes.distributions import AMAZON
from ecr_rescan.core.fixes.records import Record, Span
from ecr_rescan.core.fixes.versions import rpm_key

_ADVISORY = re.compile(r"ALAS[A-Z0-9.-]{0,60}-\d{4}-\d{1,6}", re.ASCII)
_NAME = re.compile(r"[!-~]{1,200}", re.ASCII)
_MIRROR = re.compile(
    r"https://cdn\.amazonlinux\.com/(?:2/core/(?:2\.0|latest)/x86_64/[0-9a-f]{32,128}|al2023/core/guids/[0-9a-f]{32,128}/x86_64)/?",
    re.ASCII,
)
_UPDATEINFO = re.compile(r"repodata/(?:[0-9a-f]{1,128}-)?updateinfo\.xml\.gz", re.ASCII)
_MOST_ADVISORIES = 100_000
_CHECKSUM = re.compile(r"[0-9a-f]{40,128}", re.ASCII)
_DEEPEST = 50
_LONGEST_TEXT = 300

_Element = tuple[str, Mapping[str, str], str]


def read_mirror(body: bytes) -> str:
    """The repository's address, ending in a slash, from ``mirror.list``.

    Raises:
        SignalError: it names no address, or one that is not Amazon Linux's own.
    """
    first = body.decode("ascii", "replace").split("\n", 1)[0].strip()
    if not _MIRROR.fullmatch(first):
        raise SignalError(AMAZON.key, "names a repository that is not on the list")
    return f"{first.rstrip('/')}/"


def read_repomd(body: bytes) -> tuple[str, str]:
    """The path of the advisories below the repository's address, and their checksum, from ``repomd.xml``.

    Raises:
        SignalError: it is anything else.
    """
    found: dict[str, str] = {}
    for name, attributes, text in _elements([body]):
        if name == "checksum":
            found.setdefault("checksum", text.strip())
        elif name == "location":
            found.setdefault("path", attributes.get("href", ""))
        elif name == "data":
            if attributes.get("type") == "updateinfo":
                break
            found = {}
    path, checksum = found.get("path", ""), found.get("checksum", "")
    if not _UPDATEINFO.fullmatch(path) or not _CHECKSUM.fullmatch(checksum):
        raise SignalError(AMAZON.key, "has a repository without advisories")
    return path, checksum


def read_updateinfo(parts: Iterable[bytes], release: str, wanted: Set[str]) -> tuple[int, dict[str, Record]]:
    """The advisories of one release's repository: their number, and what mends each of the wanted vulnerabilities.

    ``wanted`` may hold vulnerabilities and advisories: older results of ECR name findings by these.

    Raises:
        SignalError: it is anything else, or a part of it is.
    """
    number = 0
    identifier, cves = "", []
    versions: dict[str, str] = {}
    found: dict[str, dict[str, set[str]]] = {}
    for name, attributes, text in _elements(parts):
        if name == "id" and not identifier:
            identifier = text.strip()
        elif name == "reference" and attributes.get("type") == "cve":
            cves.append(attributes.get("id", ""))
        elif name == "package":
            _add_version(versions, attributes)
        elif name == "update":
            number += 1
            if not _ADVISORY.fullmatch(identifier) or number > _MOST_ADVISORIES:
                raise SignalError(AMAZON.key, "has an advisory without an id")
            for mended in wanted & {identifier, *cves}:
                for package, version in versions.items():
                    found.setdefault(mended, {}).setdefault(package, set()).add(version)
            identifier, cves, versions = "", [], {}
    if not number:
        raise SignalError(AMAZON.key, "has no advisories")
    return number, {
        name: Record({package: {release: tuple(map(Span, sorted(fixed)))} for package, fixed in packages.items()})
        for name, packages in found.items()
    }


def _add_version(versions: dict[str, str], package: Mapping[str, str]) -> None:
    """Note what version mends a package; the highest, where architectures differ."""
    name, epoch = package.get("name", ""), package.get("epoch") or "0"
    version = f"{package.get('version', '')}-{package.get('release', '')}"
    version = version if epoch == "0" else f"{epoch}:{version}"
    key = rpm_key(version)
    if key is None or not _NAME.fullmatch(name):
        raise SignalError(AMAZON.key, "has an advisory with a package of another form")
    known = rpm_key(versions.get(name, ""))
    if known is None or key > known:
        versions[name] = version


class _Elements:
    """Elements as they end: name, attributes, and a short text; nothing else of the document is kept."""

    def __init__(self) -> None:
        self.ended: list[_Element] = []
        self._open: list[tuple[str, Mapping[str, str]]] = []
        self._text = ""
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._doctype

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._open.append((name, attributes))
        self._text = ""
        if len(self._open) > _DEEPEST:
            raise SignalError(AMAZON.key, "sent XML without end")

    def _end(self, _: str) -> None:
        self.ended.append((*self._open.pop(), self._text))
        self._text = ""

    def _characters(self, text: str) -> None:
        self._text = (self._text + text)[:_LONGEST_TEXT]

    def _doctype(self, *_: object) -> None:
        # Entities of a document type may expand without end.
        raise SignalError(AMAZON.key, "sent XML with a document type")


def _elements(parts: Iterable[bytes]) -> Iterator[_Element]:
    reader = _Elements()
    try:
        for part in parts:
            reader.parser.Parse(part, False)
            yield from reader.ended
            reader.ended.clear()
        reader.parser.Parse(b"", True)
        yield from reader.ended
    except expat.ExpatError as error:
        raise SignalError(AMAZON.key, "sent something else than XML") from error
