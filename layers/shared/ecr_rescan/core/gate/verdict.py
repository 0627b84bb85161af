"""The rule of the gate. It reads the record only; nothing that is not known ever passes."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from ecr_rescan.core.changes.findings import Finding, FindingKey, FindingsDocument, Opening
from ecr_rescan.core.changes.has_fix import DocumentFixes
from ecr_rescan.core.changes.suppressions import Suppressions, hidden
from ecr_rescan.core.changes.view import as_seen, view
from ecr_rescan.core.configuration import ScanConfiguration, Suppression
from ecr_rescan.core.fixes.known import NO_FIXES, Fixes, fixable
from ecr_rescan.core.fixes.states import Fix
from ecr_rescan.core.fixes.words import fixed_in
from ecr_rescan.core.gate import reasons
from ecr_rescan.core.gate.question import Question
from ecr_rescan.core.gate.reasons import Reason
from ecr_rescan.core.gate.subject import Subject, find, selecting
from ecr_rescan.core.patterns import matches
from ecr_rescan.core.scanning.ledger import Ledger
from ecr_rescan.core.severity import ORDER, Severity
from ecr_rescan.core.text import number_of, safe_link


class Answer(enum.StrEnum):
    """What the gate says; only ``PASS`` lets an image on."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Judged:
    """A finding of the image.

    ``platforms``: those that have it; empty for an image of a single platform. ``fixable``: True where a fix is known,
    None where nobody knows; ``fixes``: the states of it. ``ignored``: the suppressions that hide it, one of each
    configuration that selects the image; empty where it is in sight. ``ignored_until``: when a suppression of it ended.
    """

    vulnerability: str
    package: str
    versions: tuple[str, ...]
    severity: Severity
    platforms: tuple[str, ...]
    first_seen: datetime
    since: datetime
    fixed_in: str | None
    fixable: bool | None
    uri: str | None
    fixes: tuple[Fix, ...] = ()
    ignored: tuple[Suppression, ...] = ()
    ignored_until: date | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, and what it rests on.

    ``counted``: the findings in sight by severity, None where no platform has a result to go by. ``new``: those that
    count against the image; with ``compared_to``, what the other image doesn't have. ``as_of``: when the oldest of the
    results was completed. ``retry_after``: in how many seconds the answer may be another one, None where waiting alone
    won't help.
    """

    question: Question
    at: datetime
    answer: Answer
    reasons: tuple[Reason, ...]
    subject: Subject | None = None
    configurations: tuple[str, ...] = ()
    counted: Mapping[Severity, int] | None = None
    new: tuple[Judged, ...] = ()
    ignored: tuple[Judged, ...] = ()
    as_of: datetime | None = None
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What is recorded of the image's repository; ``unreadable`` says what could not be read of it.

    ``configurations`` are those that name the repository. ``unreadable_configurations``: how many could not be read, so
    that it is not known what they select and ignore.
    """

    configurations: Sequence[ScanConfiguration]
    ledger: Ledger | None
    document: FindingsDocument | None
    unreadable: Sequence[str] = ()
    unreadable_configurations: int = 0
    fixes: Fixes = NO_FIXES


def judge(question: Question, record: Record, *, at: datetime) -> Verdict:
    """Answer from the record. The same record at the same time gives the same answer."""
    if record.unreadable:
        return _unknown(question, at, [reasons.unreadable(record.unreadable)])
    if not record.configurations:
        return _unknown(question, at, [reasons.not_named(question.image)])
    if record.ledger is None:
        return _unknown(question, at, [reasons.unknown_repository(question.image)])
    subject = find(question, record.ledger, record.document, at=at)
    if isinstance(subject, Reason):
        return _unknown(question, at, [subject])
    chosen = selecting(subject, record.configurations, record.ledger)
    if not chosen:
        return _unknown(question, at, [reasons.not_selected(question.image, record.configurations)], subject)
    return _Judging(question, record, subject, chosen, at).run()


def _unknown(question: Question, at: datetime, why: Sequence[Reason], subject: Subject | None = None) -> Verdict:
    retry = reasons.retry_after(why)
    return Verdict(question, at, Answer.UNKNOWN, tuple(why), subject, retry_after=retry)


@dataclass(slots=True)
class _Judging:
    """The findings of an image that is selected."""

    question: Question
    record: Record
    subject: Subject
    configurations: Sequence[ScanConfiguration]
    at: datetime
    _hides: dict[tuple[int, tuple[Suppression, ...]], int] = field(default_factory=dict)
    _fixes: DocumentFixes | None = None

    def run(self) -> Verdict:
        found = list(self._findings()) if self.record.document is not None and self.subject.usable else []
        in_sight = [one for one in found if not one.ignored]
        ignored = [one for one in found if one.ignored]
        severe = [one for one in in_sight if one.severity.rated and one.severity.rank >= self.question.severity.rank]
        counting, unclear = self._fixable(severe)
        new, missing = self._compared(counting)
        why: list[Reason] = list(self.subject.unknown)
        if self.record.unreadable_configurations and ignored and not new:
            why.append(reasons.configurations_unreadable(self.record.unreadable_configurations))
        unclear, lacking = self._compared(unclear)
        missing = missing or lacking
        if unclear:
            why.append(reasons.fix_unknown(len(unclear)))
        if missing is not None:
            why.append(missing)
        if new and missing is None:
            answer = Answer.FAIL
            told = [reasons.findings(new, self.question), *self._nobody_to_compare(), *why]
        elif why:
            answer, told = Answer.UNKNOWN, why
        else:
            answer = Answer.PASS
            told = [reasons.passed(self._besides(in_sight, severe, ignored))]
        scanned = [part.scanned_at for part in self.subject.parts if part.usable and part.scanned_at]
        return Verdict(
            question=self.question,
            at=self.at,
            answer=answer,
            reasons=tuple(told),
            subject=self.subject,
            configurations=tuple(sorted(one.id for one in self.configurations)),
            counted=_by_severity(in_sight) if self.subject.usable else None,
            new=tuple(sorted(new, key=_place)),
            ignored=tuple(sorted(ignored, key=_place)),
            as_of=min(scanned, default=None),
            retry_after=reasons.retry_after(why) if answer is Answer.UNKNOWN else None,
        )

    def _findings(self) -> Iterable[Judged]:
        document = self.record.document
        assert document is not None
        mask = self.subject.usable
        suppressing = [Suppressions(one, self.at.date()) for one in self.configurations]
        for key, finding in document.findings.items():
            opening = finding.current
            if opening is not None and opening.mask & mask:
                yield self._judged(document, key, finding, opening, opening.mask & mask, suppressing)

    def _judged(
        self,
        document: FindingsDocument,
        key: FindingKey,
        finding: Finding,
        opening: Opening,
        mask: int,
        suppressing: Sequence[Suppressions],
    ) -> Judged:
        # What one configuration ignores and another shows is in sight, as in the totals of the summary.
        hide, by = -1, []
        for place, one in enumerate(suppressing):
            matching = one.matching(*key)
            hide &= self._hidden(document, place, matching) if matching else 0
            if matching:
                by.append(next((suppression for suppression in matching if not suppression.tags), matching[0]))
        is_ignored = not mask & ~hide
        seen = mask if is_ignored else mask & ~hide
        versions = tuple(
            version
            for version, parts in sorted(opening.affected.items())
            if any(part & seen for part in parts.values())
        )
        fixes = self._known_fixes(document).of_all(key, finding, seen)
        advisory = document.advisories.get(key[0])
        return Judged(
            *key,
            versions=versions,
            severity=opening.severity(seen),
            platforms=self.subject.platforms(seen),
            first_seen=finding.first_seen,
            since=opening.at,
            fixed_in=fixed_in(fixes),
            fixable=fixable(fixes),
            fixes=fixes,
            uri=safe_link(advisory.uri) if advisory else None,
            ignored=tuple(dict.fromkeys(by)) if is_ignored else (),
            ignored_until=None if is_ignored else self._ended(key),
        )

    def _hidden(self, document: FindingsDocument, place: int, matching: tuple[Suppression, ...]) -> int:
        known = self._hides.get((place, matching))
        if known is None:
            seen = as_seen(view(self.configurations[place], document), document)
            known = self._hides[place, matching] = hidden(matching, seen)
        return known

    def _known_fixes(self, document: FindingsDocument) -> DocumentFixes:
        if self._fixes is None:
            self._fixes = DocumentFixes(document, self.record.fixes)
        return self._fixes

    def _ended(self, key: FindingKey) -> date | None:
        """When the last of the suppressions ended that were for it."""
        today = self.at.date()
        ends = [
            one.until
            for configuration in self.configurations
            for one in configuration.ignore
            if one.until is not None and not one.applies_on(today) and _is_for(one, key)
        ]
        return max(ends, default=None)

    def _fixable(self, severe: list[Judged]) -> tuple[list[Judged], list[Judged]]:
        """Those that count, and those of which nobody knows whether they do: unknown is never "no"."""
        if not self.question.fixable:
            return severe, []
        return [one for one in severe if one.fixable], [one for one in severe if one.fixable is None]

    def _compared(self, counting: list[Judged]) -> tuple[list[Judged], Reason | None]:
        """What the other image doesn't have; and why that can't be told, where it matters."""
        other = self.subject.compared
        if self.question.compared_to is None or not counting or other is None:
            return counting, None
        document = self.record.document
        assert document is not None
        left = []
        for one in counting:
            opening = document.findings[one.vulnerability, one.package].current
            if opening is None or not opening.mask & other.mask:
                left.append(one)
        missing = reasons.comparison_unknown(self.question.compared_to, other.lacking) if other.lacking else None
        return left, missing if left else None

    def _nobody_to_compare(self) -> list[Reason]:
        tag = self.question.compared_to
        return [reasons.nobody_holds(tag)] if tag is not None and self.subject.compared is None else []

    def _besides(self, in_sight: list[Judged], severe: list[Judged], ignored: list[Judged]) -> list[str]:
        """What is there and does not count, for a person."""
        unrated = sum(not one.severity.rated for one in in_sight)
        below = len(in_sight) - len(severe) - unrated
        told = []
        if severe and self.question.compared_to is not None:
            told.append(f"{number_of(len(severe), 'finding', 'findings')} that {self.question.compared_to} has, too")
        elif severe:
            told.append(f"{number_of(len(severe), 'finding', 'findings')} without a fix")
        if ignored:
            told.append(f"{number_of(len(ignored), 'is', 'are')} ignored")
        if below:
            told.append(f"{number_of(below, 'is', 'are')} below {self.question.severity}")
        if unrated:
            told.append(f"{number_of(unrated, 'is', 'are')} unrated: nobody has judged them yet")
        return told


def _is_for(suppression: Suppression, key: FindingKey) -> bool:
    vulnerability, package = key
    return matches(vulnerability.upper(), (suppression.vulnerability.upper(),)) and (
        suppression.package is None or matches(package, (suppression.package,))
    )


def _by_severity(found: Iterable[Judged]) -> dict[Severity, int]:
    counts = Counter(one.severity for one in found)
    return {severity: counts[severity] for severity in Severity}


def _place(one: Judged) -> tuple[int, str, str]:
    return ORDER[one.severity], one.vulnerability, one.package
