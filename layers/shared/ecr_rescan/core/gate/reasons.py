"""Why the gate says what it says, and what a person can do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.gate.question import ImageName, Question
from ecr_rescan.core.summary.image_state import ImageState, ImageStatus
from ecr_rescan.core.text import clean, enumerated, number_of
from ecr_rescan.core.times import to_text

if TYPE_CHECKING:
    from ecr_rescan.core.gate.verdict import Judged

# In seconds: a scan on push takes less than a minute, and its event waits another one in the queue at most.
_SOON = 30
_A_MINUTE = 60
_A_TICK = 300

CODES = (
    "FINDINGS",
    "NOTHING_COUNTS",
    "NOT_SELECTED",
    "UNKNOWN_IMAGE",
    "NOT_RECORDED",
    "NEVER_SCANNED",
    "IN_PROGRESS",
    "STALE",
    "END_OF_LIFE",
    "FAILED",
    "UNSUPPORTED",
    "ARCHIVED",
    "FIX_UNKNOWN",
    "COMPARISON_UNKNOWN",
    "NOTHING_TO_COMPARE",
    "UNREADABLE",
)


@dataclass(frozen=True, slots=True)
class Reason:
    """``code`` is for programs, ``message`` and ``action`` for people.

    ``platform`` is the one that it is about, None for all. ``retry_after``: in how many seconds it may be over by
    itself, None where it won't be.
    """

    code: str
    message: str
    action: str = ""
    platform: str | None = None
    retry_after: int | None = None


def retry_after(why: Sequence[Reason]) -> int | None:
    """When to ask again; None where waiting alone won't help with some of it."""
    waits = [reason.retry_after for reason in why]
    known = [wait for wait in waits if wait is not None]
    return max(known) if known and len(known) == len(waits) else None


def not_named(image: ImageName) -> Reason:
    """No configuration names the repository."""
    place = "/".join(part for part in (image.registry, image.region, image.repository) if part)
    return Reason(
        "NOT_SELECTED",
        f"no configuration names {place}",
        f"Add one: ecr-rescan add {image.repository}",
    )


def not_selected(image: ImageName, configurations: Sequence[ScanConfiguration]) -> Reason:
    """Configurations name the repository, but none selects the image."""
    names = enumerated([one.description or one.id for one in configurations])
    return Reason(
        "NOT_SELECTED",
        f"{image} is on record, but no configuration selects it ({names})",
        "Widen the tags or newest of one: ecr-rescan change",
    )


def unknown_repository(image: ImageName) -> Reason:
    """The repository has not been seen."""
    return Reason(
        "UNKNOWN_IMAGE",
        f"repository {image.repository} has not been seen yet",
        "If it is new, ask again in a few minutes; otherwise check its name and Region",
        retry_after=_A_MINUTE,
    )


def unknown_image(image: ImageName) -> Reason:
    """The repository has no such image on record."""
    return Reason(
        "UNKNOWN_IMAGE",
        f"{image} is not on record",
        "If it was pushed just now, ask again in a minute; otherwise check its name",
        retry_after=_A_MINUTE,
    )


def no_image(image: ImageName) -> Reason:
    """A Helm chart, an attestation: nothing that ECR scans."""
    return Reason("UNSUPPORTED", f"{image} is not a container image", "Judge it by other means")


def behind(image: ImageName) -> Reason:
    """The record does not have the repository's newest image yet."""
    return Reason(
        "UNKNOWN_IMAGE",
        f"{image.repository} has an image that is not recorded yet, so it is not known what {image.tag} names",
        "Ask again in a few minutes, or ask by digest",
        retry_after=_A_TICK,
    )


def of_state(status: ImageStatus, at: datetime) -> Reason:
    """A platform in a state without a result that counts."""
    actions = {
        ImageState.NEVER_SCANNED: ("Wait: a first result comes within minutes", _A_MINUTE),
        ImageState.IN_PROGRESS: ("Wait: a scan takes about a minute", _SOON),
        ImageState.FAILED: ("See why in ECR's console; it is tried again by itself", _until(status, at)),
        ImageState.UNSUPPORTED: ("ECR will not scan it: judge it by other means", None),
        ImageState.ARCHIVED: ("Restore it in ECR, or use another image", None),
    }
    action, wait = actions.get(status.state, ("Ask again later", _A_TICK))
    return Reason(status.state.value, status.reason, action, status.platform, wait)


def too_old(status: ImageStatus, max_age: timedelta, at: datetime) -> Reason:
    """A result that is older than was allowed, or that nobody keeps current."""
    scanned = to_text(status.scanned_at) if status.scanned_at else "never"
    return Reason(
        "STALE",
        f"its result is of {scanned}, older than {_span(max_age)} or no longer kept current: {status.reason}",
        "Wait for the next scan, or allow more by max_age",
        status.platform,
        _until(status, at),
    )


def end_of_life(status: ImageStatus) -> Reason:
    """Of a release that nobody looks at any more: what its result lacks says nothing."""
    return Reason("END_OF_LIFE", status.reason, "Build it from a release that is supported", status.platform)


def not_recorded(status: ImageStatus) -> Reason:
    """The ledger knows of a result that the findings lack."""
    return Reason("NOT_RECORDED", "its result is being recorded", "Ask again in a moment", status.platform, _SOON)


def fix_unknown(count: int) -> Reason:
    """Of some findings nobody has said whether there is a fix."""
    return Reason(
        "FIX_UNKNOWN",
        f"whether {number_of(count, 'finding', 'findings')} can be fixed is not known",
        "Ask without fixable, or ignore them with a reason",
    )


def comparison_unknown(tag: str, lacking: Sequence[str]) -> Reason:
    """The image to compare with has no result."""
    return Reason(
        "COMPARISON_UNKNOWN",
        f"the image that holds {tag} has no result for {enumerated(lacking)}, so what is new can't be told",
        "Select it by a configuration, and wait for its result",
        retry_after=_A_MINUTE,
    )


def nobody_holds(tag: str) -> Reason:
    """There is no image to compare with."""
    return Reason("NOTHING_TO_COMPARE", f"no image holds {tag}, so all of it counts as new", "Check the tag's name")


def unreadable(what: Sequence[str]) -> Reason:
    """A document of the record can't be used."""
    return Reason("UNREADABLE", f"the record can't be read: {enumerated(what)}", "See docs/rebuild.md")


def configurations_unreadable(count: int) -> Reason:
    """A configuration that can't be read may show what the others ignore."""
    return Reason(
        "UNREADABLE",
        f"{number_of(count, 'configuration', 'configurations')} can't be read, so it is not known what is ignored",
        "Mend or remove it, or name the configuration to go by",
    )


def findings(new: Sequence[Judged], question: Question) -> Reason:
    """Findings count against the image."""
    what = f"{number_of(len(new), 'finding', 'findings')} of {question.severity} or above"
    fix = " with a fix" if question.fixable else ""
    versus = f" that {question.compared_to} doesn't have" if question.compared_to else ""
    first = ", ".join(f"{clean(one.vulnerability, 60)} in {clean(one.package, 60)}" for one in new[:3])
    more = f" and {len(new) - 3} more" if len(new) > 3 else ""
    action = "Update the packages and rebuild, or ignore them with a reason: ecr-rescan ignore"
    return Reason("FINDINGS", f"{what}{fix}{versus}: {first}{more}", action)


def passed(besides: Sequence[str]) -> Reason:
    """Nothing counts against it."""
    return Reason("NOTHING_COUNTS", "; ".join(["nothing counts against it", *besides]))


def _until(status: ImageStatus, at: datetime) -> int | None:
    """Seconds until the next scan's result may be there; None where none is planned."""
    if status.next_due is None:
        return None
    return max(0, int((status.next_due - at).total_seconds())) + _A_TICK


def _span(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours} h " if hours else "") + (f"{minutes} min" if minutes or not hours else "").strip()
