"""Severities of findings, in ECR's and Inspector's words, and their order."""

from __future__ import annotations

import enum


class Severity(enum.StrEnum):
    """How severe a finding is.

    ECR API reference, ImageScanFinding: INFORMATIONAL to CRITICAL and UNDEFINED; Amazon Inspector adds UNTRIAGED. The
    last two are "unrated": nobody has judged the finding yet, which is not the same as harmless.
    """

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"
    INFORMATIONAL = "INFORMATIONAL"
    UNDEFINED = "UNDEFINED"
    UNTRIAGED = "UNTRIAGED"

    @classmethod
    def parse(cls, value: object) -> Severity:
        """Read what ECR sent; anything unknown or missing is UNDEFINED, never an error."""
        return _BY_NAME.get(str(value).strip().upper(), cls.UNDEFINED)

    @property
    def rank(self) -> int:
        """5 for CRITICAL down to 1 for INFORMATIONAL, 0 for the unrated ones."""
        return _RANKS[self]

    @property
    def rated(self) -> bool:
        """Whether anybody has judged the finding."""
        return _RANKS[self] > 0

    def passes(self, threshold: Severity | None) -> bool:
        """Whether a finding is shown under a ``severity`` filter: unrated ones always are."""
        return threshold is None or not self.rated or self.rank >= threshold.rank

    def reaches(self, threshold: Severity) -> bool:
        """Whether a finding is worth a message under ``notify``: unrated ones never are."""
        return self.rated and self.rank >= threshold.rank


RATED = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFORMATIONAL)
"""What a configuration may name, most severe first."""

_BY_NAME = {severity.value: severity for severity in Severity}
_RANKS = {severity: len(RATED) - position for position, severity in enumerate(RATED)} | {
    Severity.UNDEFINED: 0,
    Severity.UNTRIAGED: 0,
}
ORDER = {severity: position for position, severity in enumerate(Severity)}
"""Position in a listing: CRITICAL first, the unrated ones last."""


def most_severe(severities: list[Severity]) -> Severity:
    """The one to show for several; UNDEFINED for none."""
    if len(severities) == 1:
        return severities[0]
    return min(severities, key=ORDER.__getitem__, default=Severity.UNDEFINED)
