"""The gate's answer as JSON has it."""

from __future__ import annotations

from ecr_rescan.core.fixes.words import fixes_to_wire
from ecr_rescan.core.gate.verdict import Judged, Verdict
from ecr_rescan.core.text import clean
from ecr_rescan.core.times import to_text, to_text_or_none

SCHEMA = 1
MOST_LISTED = 1_000
"""So many findings are listed, the most severe first; the totals count all."""


def to_wire(verdict: Verdict) -> dict[str, object]:
    """Version 1 of the answer; it grows by added members only."""
    question, subject = verdict.question, verdict.subject
    return {
        "schema": SCHEMA,
        "at": to_text(verdict.at),
        "verdict": verdict.answer,
        "image": {
            "registry": subject.registry if subject else question.image.registry,
            "region": subject.region if subject else question.image.region,
            "repository": question.image.repository,
            "digest": subject.digest if subject else question.image.digest,
            "tags": subject.tags if subject else [],
            "platforms": [
                {
                    "platform": part.platform,
                    "manifest": part.manifest,
                    "state": part.state,
                    "scanned_at": to_text_or_none(part.scanned_at),
                    "judged": part.usable,
                }
                for part in (subject.parts if subject else ())
            ],
        },
        "severity": question.severity,
        "fixable": question.fixable,
        "compared_to": question.compared_to,
        "compared_digest": subject.compared.digest if subject and subject.compared else None,
        "configurations": verdict.configurations,
        "reasons": [
            {
                "code": reason.code,
                "platform": reason.platform,
                "message": clean(reason.message, 500),
                "action": reason.action,
            }
            for reason in verdict.reasons
        ],
        "counted": verdict.counted,
        "new": [_judged_to_wire(one) for one in verdict.new[:MOST_LISTED]],
        "new_total": len(verdict.new),
        "ignored": [
            _judged_to_wire(one) | {"reason": one.ignored[0].reason, "until": _until(one)}
            for one in verdict.ignored[:MOST_LISTED]
        ],
        "ignored_total": len(verdict.ignored),
        "as_of": to_text_or_none(verdict.as_of),
        "retry_after": verdict.retry_after,
    }


def _judged_to_wire(one: Judged) -> dict[str, object]:
    return {
        "vulnerability": clean(one.vulnerability, 256),
        "package": clean(one.package, 256),
        "versions": [clean(version, 256) for version in one.versions[:20]],
        "severity": one.severity,
        "platforms": one.platforms[:50],
        "first_seen": to_text(one.first_seen),
        "since": to_text(one.since),
        "fixed_in": None if one.fixed_in is None else clean(one.fixed_in, 256),
        **fixes_to_wire(one.fixes),
        "uri": one.uri,
        "ignored_until": one.ignored_until.isoformat() if one.ignored_until else None,
    }


def _until(one: Judged) -> str | None:
    """The first end of the suppressions that hide it: from then on it is in sight."""
    ends = [each.until for each in one.ignored if each.until is not None]
    return min(ends).isoformat() if ends else None
