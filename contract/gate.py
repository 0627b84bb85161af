"""The gate in the contract: its operation, and the shape of its answer."""

from __future__ import annotations

from contract.schemas import DIGEST, FIXES, ID, MOMENT, Schema, closed, listed, nullable, ref, text, whole
from ecr_rescan.core.gate import as_json, question, reasons
from ecr_rescan.core.gate.verdict import Answer
from ecr_rescan.core.severity import RATED
from ecr_rescan.core.summary.image_state import ImageState


def parameters() -> list[tuple[str, Schema, str, bool]]:
    """Name, schema, description, and whether it is required, of each parameter."""
    age = text(pattern="^(?=[0-9])([0-9]{1,3}d)?([0-9]{1,4}h)?([0-9]{1,5}m)?$", examples=["24h10m"])
    image = text(maxLength=question.LONGEST_IMAGE, examples=["123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:1"])
    return [
        ("image", image, "Registry, repository, and a digest or a tag; without a registry, as configured.", True),
        ("configuration", ID, "The one configuration to go by; by default all that select the image.", False),
        ("severity", text(enum=list(RATED), default=question.DEFAULT_SEVERITY), "The least severe that counts.", False),
        ("fixable", text(enum=["true", "false"]), "Only what has a fix counts.", False),
        ("compared_to", text(), "A tag: what the image that holds it has, too, does not count.", False),
        ("max_age", age, "How old a result may be, from 1m to 30d.", False),
    ]


def verdict() -> Schema:
    """The answer."""
    platform = closed(
        {
            "platform": nullable(text()),
            "manifest": nullable(DIGEST),
            "state": text(enum=list(ImageState)),
            "scanned_at": nullable(MOMENT),
            "judged": {"type": "boolean"},
        }
    )
    judged = {
        "vulnerability": text(),
        "package": text(),
        "versions": listed(text()),
        "severity": ref("Severity"),
        "platforms": listed(text()),
        "first_seen": MOMENT,
        "since": MOMENT,
        "fixed_in": nullable(text()),
        **FIXES,
        "uri": nullable(text()),
        "ignored_until": nullable(text(format="date")),
    }
    ignored = judged | {"reason": text(), "until": nullable(text(format="date"))}
    reason = {"code": text(enum=list(reasons.CODES)), "platform": nullable(text()), "message": text(), "action": text()}
    image = {
        "registry": nullable(text()),
        "region": nullable(text()),
        "repository": text(),
        "digest": nullable(DIGEST),
        "tags": listed(text()),
        "platforms": listed(platform),
    }
    return closed(
        {
            "schema": {"const": as_json.SCHEMA},
            "at": MOMENT,
            "verdict": text(enum=list(Answer)),
            "image": closed(image),
            "severity": ref("RatedSeverity"),
            "fixable": {"type": "boolean"},
            "compared_to": nullable(text()),
            "compared_digest": nullable(DIGEST),
            "configurations": listed(ID),
            "reasons": listed(closed(reason), minItems=1),
            "counted": nullable(ref("Counts")),
            "new": listed(closed(judged), maxItems=as_json.MOST_LISTED),
            "new_total": whole(),
            "ignored": listed(closed(ignored), maxItems=as_json.MOST_LISTED),
            "ignored_total": whole(),
            "as_of": nullable(MOMENT),
            "retry_after": nullable(whole()),
        }
    )
