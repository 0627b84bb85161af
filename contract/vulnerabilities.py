"""The list of vulnerabilities in the contract: what it may be asked, and the shape of its answer."""

from __future__ import annotations

from contract.schemas import FIXES, ID, MOMENT, REGISTRY, SIGNAL, Schema, closed, listed, nullable, ref, text, whole
from ecr_rescan.core.severity import RATED
from ecr_rescan.core.vulnerabilities import forms, query

_DESCRIBED = {
    "repository": "A repository's name or a glob: only what is in it.",
    "tag": "A tag or a glob: only images that it names.",
    "package": "A package's name or a glob.",
    "vulnerability": "A vulnerability's id or a glob.",
    "owner": "The configurations of this owner alone.",
}


def parameters() -> list[tuple[str, Schema, str]]:
    """Name, schema and description of each filter, and of the order."""
    named = text(minLength=1, maxLength=query.LONGEST)
    return [
        *((name, named, described) for name, described in _DESCRIBED.items()),
        ("configuration", ID, "This configuration alone."),
        ("severity", text(enum=list(RATED)), "The least severe; unrated ones pass."),
        ("state", text(enum=list(query.STATES), default=query.STATES[0]), "Which of them."),
        ("overdue", text(enum=["true", "false"]), "Only what is open for longer than allowed."),
        ("exploited", text(enum=["true", "false"]), "Only what is known to be exploited."),
        ("fixable", text(enum=["true", "false"]), "Only what is known to have a fix."),
        ("since", text(examples=["2026-11-01"]), "Only what is open since that day or instant, or later."),
        (
            "sort",
            text(enum=list(query.SORTS), default=query.SORTS[0]),
            "matters: open ones first, exploited ones of these; severity, likely ones first; a fix; the oldest.",
        ),
    ]


def listing(problem: Schema) -> Schema:
    """The answer."""
    row = {
        "configuration": ID,
        "description": nullable(text()),
        "owner": nullable(text()),
        "registry": REGISTRY,
        "region": text(),
        "vulnerability": text(),
        "package": text(),
        "severity": ref("Severity"),
        "state": text(enum=[state for state in query.STATES if state != "all"]),
        "kind": text(enum=["baseline", "new", "spread", "reopened", "escalated", "exploited", "fixable", "resolved"]),
        **SIGNAL,
        "first_seen": MOMENT,
        "since": MOMENT,
        "published": MOMENT,
        "updated": MOMENT,
        "fixed_in": nullable(text()),
        **FIXES,
        "uri": nullable(text()),
        "repositories": listed(text(), maxItems=forms.MOST_REPOSITORIES),
        "repositories_total": whole(),
        "images": whole(),
        "platforms": whole(),
        "days_open": whole(),
        "days_left": nullable({"type": "integer"}),
        "suppressed": nullable(closed({"reason": text(), "until": nullable(text(format="date"))})),
        "closed_at": nullable(MOMENT),
        "close_reason": nullable(text()),
    }
    return closed(
        {
            "schema": {"const": forms.SCHEMA},
            "at": MOMENT,
            "total": whole(),
            "looked_at": closed({"repositories": whole(), "images": whole(), "with_results": whole()}),
            "note": text(),
            "signals": {"type": "object", "additionalProperties": ref("Source")},
            "vulnerabilities": listed(closed(row)),
            "problems": listed(problem),
        }
    )
