"""What messages say: the changes of a configuration, its baseline, and its suppressions that ended or will.

What is sent of it to which kind of subscriber is ``core.message_forms``'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ecr_rescan.core.changes.advisories import cvss_of, description_of
from ecr_rescan.core.changes.alert_parts import Occurrence
from ecr_rescan.core.changes.alerts import Alert
from ecr_rescan.core.changes.baseline_rule import headline, open_findings, without_result
from ecr_rescan.core.changes.findings import Image
from ecr_rescan.core.changes.states import State
from ecr_rescan.core.changes.view import as_seen, view
from ecr_rescan.core.configuration import ScanConfiguration, Suppression
from ecr_rescan.core.fixes.words import fix_words, fixes_to_wire
from ecr_rescan.core.severity import ORDER, Severity
from ecr_rescan.core.signals.wire import epss_words, exploited_words, signal_to_wire
from ecr_rescan.core.telling.ascii import readable_ascii
from ecr_rescan.core.telling.message_forms import Message, Notice, Pages, code, code_link, forms, plain
from ecr_rescan.core.text import clean, cut, enumerated, number_of, safe_link
from ecr_rescan.core.times import to_text

_KINDS = {
    "new": "new",
    "spread": "spread to another repository",
    "reopened": "back again",
    "escalated": "severity raised",
    "exploited": "now exploited",
    "fixable": "has a fix now",
    "baseline": "known from the beginning",
}
_SHORT = {
    "spread": "spread",
    "reopened": "back again",
    "escalated": "raised",
    "fixable": "has a fix now",
    "baseline": "known from the beginning",
}
_SUPPRESSIONS = {"ended": "Ended after", "ending": "Ends after", "unused": "Matches nothing any more"}
_OCCURRENCES = 20
_TAGS = 10
_REPOSITORIES = 50
_NAME = 128
_SUBJECT_NAME = 60
_STATES = 20
_DESCRIPTION = 600
_SUBJECT = 100
"""SNS API reference, Publish: the longest subject."""


def name_of(configuration: ScanConfiguration) -> str:
    """What a configuration is called in a subject: its description, else its repositories.

    As short in ASCII, in which pictures are words: what a subject says after the name must have room.
    """
    name = clean(configuration.description or ", ".join(configuration.repository), _SUBJECT_NAME)
    while len(readable_ascii(name)) > _SUBJECT_NAME:
        name = f"{name.removesuffix('…')[:-1]}…"
    return name


def whole_name_of(configuration: ScanConfiguration) -> str:
    """The same in the body of a message, with all that a person wrote: a subject has room for a part of it."""
    return clean(configuration.description or ", ".join(configuration.repository), 500)


def changes_message(
    configuration: ScanConfiguration, alerts: Sequence[Alert], base_url: str | None, now: datetime
) -> Message:
    """One message for all alerts of a configuration in a batch, what matters most first."""
    ordered = sorted(alerts, key=lambda alert: alert.urgency)
    totals = _totals(Counter(alert.severity for alert in ordered))
    page = Pages(configuration, base_url)
    if exploited := sum(alert.signal.exploited is not None for alert in ordered):
        totals = f"{exploited} exploited: {totals}"
    tags = _Tags(configuration)
    notice = Notice(
        type="changes",
        identity=sorted(alert.id for alert in ordered),
        at=now,
        subject=subject_of(ordered),
        sentences=(f"Changes in {whole_name_of(configuration)}: {totals}.",),
        items=[_AlertItem(alert, tags, page) for alert in ordered],
        severity=min((alert.severity for alert in ordered), key=ORDER.__getitem__),
        changes=sorted({alert.kind for alert in ordered}),
        repositories=sorted({repository for alert in ordered for repository in alert.repositories}),
        members={"counts": _counts(Counter(alert.severity for alert in ordered))},
    )
    return forms(configuration, notice, base_url)


@dataclass(frozen=True, slots=True)
class Known:
    """How much a baseline speaks for: images with a result, and those without by reason."""

    with_result: int
    without: Mapping[str, int]


def baseline_message(
    configuration: ScanConfiguration,
    repositories: Sequence[str],
    counts: Mapping[Severity, int],
    known: Known,
    base_url: str | None,
    now: datetime,
    *,
    began: datetime,
    why: str = "",
) -> Message:
    """One message for everything that was there when a configuration, or a part of what it selects, was new.

    Args:
        configuration: whose.
        repositories: those that are new to it, or of which more is selected now.
        counts: open findings by severity that it has not seen before, suppressed ones left out.
        known: how many images have a result, and why the others have none.
        base_url: the API's, where it is known.
        now: the time.
        began: when this baseline began: its identity.
        why: what made it one, where that is not that something is new, as a sentence.
    """
    totals = _totals(counts)
    sentences = [
        why or f"This is what {whole_name_of(configuration)} starts from; from now on only changes are sent.",
        f"New to it: {enumerated(repositories, 20)}.",
        open_findings(totals, known.with_result),
    ]
    if lacking := without_result(known.without):
        sentences.append(lacking)
    notice = Notice(
        type="baseline",
        identity=[to_text(began)],
        at=now,
        subject=f"Baseline: {name_of(configuration)}: {headline(totals, known.with_result)}",
        sentences=tuple(sentences),
        severity=next((severity for severity in Severity if counts.get(severity)), None),
        changes=["baseline"],
        repositories=sorted(repositories),
        members={
            "counts": _counts(counts),
            "waiting": sum(known.without.values()),
            "without_result": dict(sorted(known.without.items())),
        },
    )
    return forms(configuration, notice, base_url)


def unrated_message(
    configuration: ScanConfiguration, alerts: Sequence[Alert], base_url: str | None, now: datetime
) -> Message:
    """One message a day for what nobody has rated: what has stayed so, and what became likely to be exploited."""
    ordered = sorted(alerts, key=lambda alert: alert.urgency)
    likely = sum(alert.signal.likely for alert in ordered)
    totals = number_of(len(ordered), "unrated finding", "unrated findings")
    tags, page = _Tags(configuration), Pages(configuration, base_url)
    sentences = [f"Nobody has rated these in {name_of(configuration)}: {totals}. That does not make them harmless."]
    if likely:
        sentences.append(f"Likely to be exploited by EPSS: {likely}.")
    notice = Notice(
        type="unrated",
        identity=sorted(alert.id for alert in ordered),
        at=now,
        subject=f"Nobody has rated these: {totals}: {name_of(configuration)}",
        sentences=tuple(sentences),
        items=[_AlertItem(alert, tags, page) for alert in ordered],
        severity=ordered[0].severity,
        changes=["unrated"],
        repositories=sorted({repository for alert in ordered for repository in alert.repositories}),
        members={"counts": _counts(Counter(alert.severity for alert in ordered))},
    )
    return forms(configuration, notice, base_url)


def states_message(
    configuration: ScanConfiguration, told: Sequence[State], base_url: str | None, now: datetime
) -> Message:
    """One message for what began to hold and nobody would see: releases that end, data that vanished."""
    listed = [clean(state.sentence, 500) for state in told[:_STATES]]
    more = [f"And {len(told) - _STATES} more like these."] if len(told) > _STATES else []
    notice = Notice(
        type="states",
        identity=[state.name for state in told],
        at=now,
        subject=f"{number_of(len(told), 'thing', 'things')} to know about results: {name_of(configuration)}",
        sentences=(f"What results of {name_of(configuration)} no longer tell.", *listed, *more),
        severity=None,
        changes=sorted({state.name.partition(" ")[0] for state in told}),
        repositories=sorted({name for state in told for name in state.repositories}),
        members={"states": listed},
    )
    return forms(configuration, notice, base_url)


def suppressions_message(
    configuration: ScanConfiguration,
    *,
    ended: Sequence[Suppression],
    shown_again: Sequence[Alert],
    ending: Sequence[Suppression],
    unused: Sequence[Suppression],
    base_url: str | None,
    now: datetime,
) -> Message:
    """One message for a configuration's suppressions: those that ended, with what is shown again, and warnings."""
    ordered = sorted(shown_again, key=lambda alert: alert.urgency)
    headlines = []
    if ended:
        headlines.append(f"{_several(len(ended), 'suppression')} ended")
    if ending:
        headlines.append(f"{_several(len(ending), 'suppression')} about to end")
    if unused:
        headlines.append(f"{_several(len(unused), 'suppression')} matching nothing")
    sentences = [f"Suppressions of {whole_name_of(configuration)}."]
    if ended:
        totals = _totals(Counter(alert.severity for alert in ordered))
        sentences.append(f"Shown again: {totals or 'nothing'}. These are no new findings.")
    by_kind = {"ended": ended, "ending": ending, "unused": unused}
    told = [_SuppressionItem(kind, one) for kind, ones in by_kind.items() for one in ones]
    tags, page = _Tags(configuration), Pages(configuration, base_url)
    notice = Notice(
        type="suppressions",
        identity=[item.identity for item in told],
        at=now,
        subject=f"{', '.join(headlines)}: {name_of(configuration)}",
        sentences=sentences,
        items=[*told, *(_AlertItem(alert, tags, page) for alert in ordered)],
        severity=min((alert.severity for alert in ordered), key=ORDER.__getitem__, default=None),
        changes=[f"suppression-{kind}" for kind, ones in by_kind.items() if ones],
        repositories=sorted({repository for alert in ordered for repository in alert.repositories}),
        members={},
    )
    return forms(configuration, notice, base_url)


class _Tags:
    """The tags under which a configuration sees the images of a findings document."""

    def __init__(self, configuration: ScanConfiguration) -> None:
        self._configuration = configuration
        self._images: dict[str, Iterable[Image]] = {}

    def of(self, occurrence: Occurrence) -> list[str]:
        document = occurrence.document
        images = self._images.get(document.repository)
        if images is None:
            images = list(as_seen(view(self._configuration, document), document).images.values())
            self._images[document.repository] = images
        return sorted({tag for image in images if image.manifests & occurrence.mask for tag in image.tags})


class _AlertItem:
    """An alert in a message; every text in it is cleaned here."""

    member = "alerts"

    def __init__(self, alert: Alert, tags: _Tags, page: Pages) -> None:
        self._alert = alert
        self._tags = tags
        self._page = page.of(alert.vulnerability, alert.package)

    def mail(self) -> str:
        alert = self._alert
        package = f" in {plain(alert.package, _NAME)}" if alert.package else ""
        lines = [f"{alert.severity} {plain(alert.vulnerability, _NAME)}{package} ({_happened(alert)})"]
        told = (description_of(alert.advisory, _DESCRIPTION), cvss_of(alert.advisory))
        lines += [f"  {plain(text, _DESCRIPTION)}" for text in told if text]
        lines += [f"  {words}" for words in _signal_words(alert)]
        for occurrence in alert.occurrences[:_OCCURRENCES]:
            version = f" {plain(occurrence.version, _NAME)}" if occurrence.version else ""
            tags = plain(enumerated(self._tags.of(occurrence), _TAGS), 600)
            lines.append(f"  {plain(occurrence.document.repository, 256)}: {tags}{version}")
        if len(alert.occurrences) > _OCCURRENCES:
            lines.append(f"  and {len(alert.occurrences) - _OCCURRENCES} more")
        if fix := fix_words(alert.package, alert.fixes):
            lines.append(f"  Fix: {plain(fix, 400)}")
        lines.append(f"  first seen {to_text(alert.first_seen)}")
        if link := safe_link(alert.advisory.uri):
            lines.append(f"  {link}")
        if self._page:
            lines.append(f"  Its page: {self._page}")
        return "\n".join(lines)

    def chat(self) -> str:
        alert = self._alert
        package = f" in {code(alert.package, _NAME)}" if alert.package else ""
        where = ", ".join(code(name, 128) for name in alert.repositories[:3])
        more = f" and {len(alert.repositories) - 3} more" if len(alert.repositories) > 3 else ""
        fix = fix_words(alert.package, alert.fixes)
        fixed = f", fix: {code(fix, 200)}" if fix else ""
        link = self._page or safe_link(alert.advisory.uri)
        line = f"*{alert.severity}* {code(alert.vulnerability, _NAME)}{package} ({_happened(alert)}) – {where}{more}"
        signal = "".join(f", {words}" for words in _signal_words(alert))
        return f"{line}{signal}{fixed}{f' {code_link(link)}' if link else ''}"

    def wire(self) -> dict[str, object]:
        alert = self._alert
        return {
            "id": alert.id,
            "kind": alert.kind,
            "raised_from": alert.raised_from if alert.kind == "escalated" else None,
            "severity": alert.severity,
            "vulnerability": clean(alert.vulnerability, 256),
            "package": clean(alert.package, 256),
            **signal_to_wire(alert.signal),
            "fixed_in": clean(alert.fixed_in, 256) if alert.fixed_in else None,
            **fixes_to_wire(alert.fixes),
            "score": clean(alert.advisory.score, 32) if alert.advisory.score else None,
            "link": safe_link(alert.advisory.uri),
            "page": self._page,
            "first_seen": to_text(alert.first_seen),
            "published": to_text(alert.published),
            "repositories": [clean(name, 256) for name in alert.repositories[:_REPOSITORIES]],
            "affected": [
                {
                    "repository": clean(occurrence.document.repository, 256),
                    "version": clean(occurrence.version, 256),
                    "severity": occurrence.severity,
                    "tags": [clean(tag, 128) for tag in self._tags.of(occurrence)[:_TAGS]],
                }
                for occurrence in alert.occurrences[:_OCCURRENCES]
            ],
        }


class _SuppressionItem:
    """A suppression in a message. Its texts are a person's own, and cleaned all the same."""

    member = "suppressions"

    def __init__(self, kind: str, suppression: Suppression) -> None:
        self._kind = kind
        self._suppression = suppression

    @property
    def identity(self) -> str:
        return f"{self._kind} {sorted(self._suppression.to_wire().items())!r}"

    def mail(self) -> str:
        return self._sentence(plain)

    def chat(self) -> str:
        return self._sentence(code)

    def wire(self) -> dict[str, object]:
        one = self._suppression
        return {
            "kind": self._kind,
            "vulnerability": clean(one.vulnerability, 256),
            "package": one.package and clean(one.package, 256),
            "tags": [clean(tag, 256) for tag in one.tags[:_TAGS]],
            "reason": clean(one.reason, 500),
            "until": one.until and one.until.isoformat(),
        }

    def _sentence(self, foreign: Callable[[str, int], str]) -> str:
        one = self._suppression
        package = f" in {foreign(one.package, _NAME)}" if one.package else ""
        tags = f" for {foreign(enumerated(one.tags), 300)}" if one.tags else ""
        until = f" {one.until}" if one.until and self._kind != "unused" else ""
        return (
            f"{_SUPPRESSIONS[self._kind]}{until}: "
            f"{foreign(one.vulnerability, _NAME)}{package}{tags} ({foreign(one.reason, 200)})"
        )


def _happened(alert: Alert) -> str:
    """What happened, in words."""
    if alert.kind == "escalated" and alert.raised_from is not None:
        return f"severity raised from {alert.raised_from} to {alert.severity}"
    return _KINDS[alert.kind]


def subject_of(ordered: Sequence[Alert]) -> str:
    """What matters most, and how many more: ``CRITICAL CVE-2026-1 openssl in team-a/app (new, +3 more)``.

    The end is never cut off: a name is, where all of it is too long for a subject.
    """
    first = ordered[0]
    said = [_SHORT.get(first.kind, first.kind)]
    if first.kind == "escalated" and first.raised_from is not None:
        said = [f"raised from {first.raised_from}"]
    if first.signal.exploited and first.kind != "exploited":
        said.append("exploited")
    if len(ordered) > 1:
        said.append(f"+{len(ordered) - 1} more")
    end = f" ({', '.join(said)})"
    package = f" {clean(first.package, 60)}" if first.package else ""
    head = f"{first.severity} {clean(first.vulnerability, 60)}{package} in {enumerated(first.repositories, 1)}"
    return cut(head, _SUBJECT - len(end)) + end


def _signal_words(alert: Alert) -> list[str]:
    epss = epss_words(alert.signal)
    return [words for words in (exploited_words(alert.signal), f"EPSS {epss}" if epss else "") if words]


def _totals(counts: Mapping[Severity, int]) -> str:
    return ", ".join(f"{counts[severity]} {severity}" for severity in Severity if counts.get(severity))


def _counts(counts: Mapping[Severity, int]) -> dict[str, int]:
    return {severity.value: counts[severity] for severity in Severity if counts.get(severity)}


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
