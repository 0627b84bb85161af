"""Reads a JSON object that a person sent, field by field, and collects everything that is wrong with it.

A method answers the field's value, or None where it is absent, null or wrong; a wrong one leaves a fault behind.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from datetime import date
from typing import TypeGuard

from ecr_rescan.core.errors import Fault
from ecr_rescan.core.severity import RATED, Severity
from ecr_rescan.core.shapes import LONGEST_REPOSITORY, LONGEST_TAG, REPOSITORY_PATTERN, TAG_PATTERN

_MOST_FAULTS = 100
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Checks:
    """The fields of one JSON object, and the faults found in them.

    Attributes:
        faults: shared with the objects nested in it, so that one list has everything, in the order of reading. It ends
            at 100: nobody reads on, and a hostile body must not be answered with a longer one.
    """

    def __init__(self, fields: Mapping[str, object], *, path: str = "", faults: list[Fault] | None = None) -> None:
        self._fields = fields
        self._path = path
        self.faults: list[Fault] = [] if faults is None else faults

    def fault(self, name: str, problem: str) -> None:
        """Note what is wrong with a field."""
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(Fault(f"{self._path}{name}", problem))

    def only(self, known: Collection[str]) -> None:
        """Every other field is a fault; one that looks misspelt is told what was meant."""
        for name in self._fields:
            if name not in known and len(self.faults) < _MOST_FAULTS:
                shown = name[:64]
                near = difflib.get_close_matches(shown.lower(), known, n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
                self.fault(shown, f"is not a known field{hint}")

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
            self.fault(name, accepted)
            return ()
        if all(pattern.startswith("!") for pattern in patterns):
            self.fault(name, "only excludes; at least one name or glob without a leading ! must include")
            return ()
        return tuple(patterns)

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
        return tuple(value)

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
                nested.append(Checks(item, path=f"{self._path}{name}[{position}].", faults=self.faults))
            else:
                self.fault(f"{name}[{position}]", "must be an object")
        return nested

    def _get(self, name: str, required: bool, accepted: str) -> object:
        value = self._fields.get(name)
        if value is None and required:
            self.fault(name, f"is required; it {accepted}")
        return value


def _all_patterns(value: object, shape: re.Pattern[str], longest: int) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(
        isinstance(item, str) and len(item) <= longest and shape.fullmatch(item) for item in value
    )
