"""Reads a JSON object that a person sent, field by field, and collects everything that is wrong with it.

A method answers the field's value, or None where it is absent, null or wrong; a wrong one leaves a fault behind.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, TypeGuard

from ecr_rescan.core.errors import Fault
from ecr_rescan.core.patterns import MOST_WILDCARDS, is_exact, wildcards
from ecr_rescan.core.severity import RATED, Severity
from ecr_rescan.core.shapes import LONGEST_REPOSITORY, LONGEST_TAG, REGISTRY, REPOSITORY_PATTERN, TAG_PATTERN

# ECR API reference, CreateRepository: between letters and digits stands one separator, or __, or any number of hyphens.
_MISPLACED = re.compile(r"\A[._/-]|[._/-]\Z|(?<![._/-])(?!(?:__|--+)(?![._/-]))[._/-]{2}", re.ASCII)
# Amazon ECR User Guide, "Private registry": of IPv4 alone, and of both IPv4 and IPv6.
_ADDRESS = re.compile(rf"(?:https?://)?{REGISTRY.pattern}\.dkr[.-]ecr[a-z0-9.-]*/([^:@]+).*")

_MOST_FAULTS = 100
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Checks:
    """The fields of one JSON object, and the faults found in them.

    Attributes:
        faults: shared with the objects nested in it, so that one list has everything, in the order of reading. It ends
            at 100: nobody reads on, and a hostile body must not be answered with a longer one.
    """

    def __init__(
        self,
        fields: Mapping[str, object],
        *,
        path: str = "",
        faults: list[Fault] | None = None,
        lenient: bool = False,
    ) -> None:
        """``lenient``: what was stored before a rule was made is read on, where it does no harm."""
        self._fields = fields
        self._path = path
        self._lenient = lenient
        self.faults: list[Fault] = [] if faults is None else faults

    def fault(self, name: str, problem: str) -> None:
        """Note what is wrong with a field."""
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(Fault(f"{self._path}{name}", problem))

    def only(self, known: Collection[str], *, kind: str = "field") -> None:
        """Every other field is a fault; one that looks misspelt is told what was meant."""
        for name in self._fields:
            if name not in known and len(self.faults) < _MOST_FAULTS:
                shown = name[:64]
                meant = _meant(shown.lower(), known)
                others = f"known are {', '.join(known)}" if known else "none is known here"
                self.fault(shown, f"is not a known {kind}; {f'did you mean {meant}?' if meant else others}")

    def text(self, name: str, *, longest: int, required: bool = False) -> str | None:
        """Printable text on one line, not blank."""
        value = self._get(name, required, accepted := f"must be text of 1 to {longest} printable characters")
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip() or len(value) > longest or not value.isprintable():
            self.fault(name, accepted)
            return None
        return value

    def shaped(self, name: str, shape: re.Pattern[str], accepted: str, *, required: bool = False) -> str | None:
        """Text that matches a shape in full; ``accepted`` continues "must be …"."""
        value = self._get(name, required, f"must be {accepted}")
        if value is None:
            return None
        if not isinstance(value, str) or not shape.fullmatch(value):
            self.fault(name, f"must be {accepted}")
            return None
        return value

    def number(self, name: str, *, least: int, most: int) -> int | None:
        """A whole number in a range."""
        value = self._get(name, False, "")
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.fault(name, f"must be a whole number from {least} to {most}")
            return None
        return value

    def flag(self, name: str, *, otherwise: bool) -> bool:
        """True or false; ``otherwise`` where it is absent, null or wrong."""
        value = self._get(name, False, "")
        if isinstance(value, bool):
            return value
        if value is not None:
            self.fault(name, "must be true or false")
        return otherwise

    def one_of(self, name: str, known: Sequence[str]) -> str:
        """One of several words; the first where it is absent, null or wrong."""
        value = self._get(name, False, "")
        if value is not None and value not in known:
            self.fault(name, f"must be one of {', '.join(known)}")
            return known[0]
        return known[0] if value is None else str(value)

    def severity(self, name: str) -> Severity | None:
        """One of the rated severities, in any letter case."""
        value = self._get(name, False, "")
        if value is None:
            return None
        if not isinstance(value, str) or value.upper() not in RATED:
            self.fault(name, f"must be one of {', '.join(RATED)}")
            return None
        return Severity(value.upper())

    def day(self, name: str) -> date | None:
        """A date as YYYY-MM-DD."""
        value = self._get(name, False, "")
        if value is None:
            return None
        try:
            if isinstance(value, str) and _DATE.fullmatch(value):
                return date.fromisoformat(value)
        except ValueError:
            pass
        self.fault(name, "must be a date that exists, as YYYY-MM-DD")
        return None

    def repositories(self, name: str) -> tuple[str, ...]:
        """A repository name or glob, or a list of them with at least one that includes."""
        accepted = (
            "must be a repository name, a glob such as team-a/*, or a list of 1 to 100 of them "
            "(lower-case letters, digits and . _ - / with * and ?, at most 256 characters; a leading ! excludes)"
        )
        value = self._get(name, True, accepted)
        if value is None:
            return ()
        patterns = [value] if isinstance(value, str) else value
        if not _all_patterns(patterns, REPOSITORY_PATTERN, LONGEST_REPOSITORY) or not 1 <= len(patterns) <= 100:
            listed = patterns[:100] if isinstance(patterns, list) else ()
            address = next((found for one in listed if (found := repository_of(one))), None)
            self.fault(name, accepted if address is None else f"has an image's address; write {address} alone")
            return ()
        if not self._lenient and any(
            len(one.removeprefix("!")) == 1 and is_exact(one.removeprefix("!")) for one in patterns
        ):
            self.fault(name, "names a repository of one character; ECR has none shorter than two")
            return ()
        misplaced = [one for one in patterns if _MISPLACED.search(one.removeprefix("!"))]
        if misplaced and not self._lenient:
            self.fault(
                name,
                f"{misplaced[0][:64]} names no repository: of . _ - / one stands between letters, digits or wildcards, "
                "or __, or several hyphens",
            )
            return ()
        self._count_wildcards(name, patterns)
        if all(pattern.startswith("!") for pattern in patterns):
            self.fault(name, "only excludes; at least one name or glob without a leading ! must include")
            return ()
        return tuple(patterns)

    def texts(self, name: str, *, most: int, longest: int) -> tuple[str, ...]:
        """A list of short texts; empty where there is none."""
        value = self._get(name, False, "")
        if value is None:
            return ()
        if (
            not isinstance(value, list)
            or len(value) > most
            or not all(isinstance(item, str) and 0 < len(item) <= longest and item.isprintable() for item in value)
        ):
            self.fault(name, f"must be a list of at most {most} texts of 1 to {longest} characters")
            return ()
        return tuple(value)

    def tags(self, name: str) -> tuple[str, ...]:
        """A list of tag names or globs; empty where there is none."""
        value = self._get(name, False, "")
        if value is None:
            return ()
        if not _all_patterns(value, TAG_PATTERN, LONGEST_TAG) or len(value) > 100:
            self.fault(
                name,
                "must be a list of at most 100 image tags or globs "
                "(letters, digits and . _ - with * and ?, at most 300 characters; a leading ! excludes)",
            )
            return ()
        self._count_wildcards(name, value)
        return tuple(value)

    def glob(self, name: str, shape: re.Pattern[str], accepted: str, *, required: bool = False) -> str | None:
        """Text that matches a shape in full, with no more wildcards than anybody needs."""
        value = self.shaped(name, shape, accepted, required=required)
        if value is not None:
            self._count_wildcards(name, [value])
        return value

    def objects(self, name: str, *, most: int) -> list[Checks]:
        """The objects of a list, each to be read in turn; their faults are named ``name[0].field``."""
        value = self._get(name, False, "")
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > most:
            self.fault(name, f"must be a list of at most {most} objects")
            return []
        nested: list[Checks] = []
        for position, item in enumerate(value):
            if isinstance(item, dict):
                path = f"{self._path}{name}[{position}]."
                nested.append(Checks(item, path=path, faults=self.faults, lenient=self._lenient))
            else:
                self.fault(f"{name}[{position}]", "must be an object")
        return nested

    def nested(self, name: str, value: Mapping[str, Any]) -> Checks:
        """An object within this one, to be read in turn; its faults are named ``name.field``."""
        return Checks(value, path=f"{self._path}{name}.", faults=self.faults, lenient=self._lenient)

    def _count_wildcards(self, name: str, patterns: Sequence[str]) -> None:
        if not self._lenient and any(wildcards(pattern) > MOST_WILDCARDS for pattern in patterns):
            self.fault(name, f"may have at most {MOST_WILDCARDS} wildcards (* and ?) in one pattern")

    def _get(self, name: str, required: bool, accepted: str) -> object:
        value = self._fields.get(name)
        if value is None and required:
            self.fault(name, f"is required; it {accepted}")
        return value


def _meant(name: str, known: Collection[str]) -> str | None:
    """The name that was probably meant: the only one that begins so, as ``repo`` does, or else the most similar."""
    beginning = [one for one in known if len(name) > 1 and (one.startswith(name) or name.startswith(one))]
    near = beginning if len(beginning) == 1 else difflib.get_close_matches(name, known, n=1)
    return near[0] if near else None


def repository_of(address: object) -> str | None:
    """The repository in an image's address such as ``123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:1``, or None."""
    found = _ADDRESS.fullmatch(address[:512]) if isinstance(address, str) else None
    return found[1] if found else None


def _all_patterns(value: object, shape: re.Pattern[str], longest: int) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(
        isinstance(item, str) and len(item) <= longest and shape.fullmatch(item) for item in value
    )
