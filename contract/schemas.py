"""The shapes of requests and answers as JSON Schema, with the limits, patterns and words of the code itself."""

from __future__ import annotations

from typing import Any

from ecr_rescan.core import configuration, shapes, tokens
from ecr_rescan.core.changes.closing import TOLD
from ecr_rescan.core.fixes.states import FixState
from ecr_rescan.core.fixes.words import MOST_FIXES
from ecr_rescan.core.health import findings as health
from ecr_rescan.core.health import wire as health_wire
from ecr_rescan.core.severity import RATED, Severity
from ecr_rescan.core.summary import as_json as summary_wire
from ecr_rescan.core.summary import dry_run, others, where
from ecr_rescan.core.summary.image_state import ImageState
from ecr_rescan.core.summary.recent import KINDS, WINDOWS
from ecr_rescan.core.summary.summary import COVERAGE
from ecr_rescan.runtime import api

Schema = dict[str, Any]

_JSON_TYPES: dict[type, str] = {str: "string", dict: "object", list: "array"}

UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


def ref(name: str) -> Schema:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def text(**more: Any) -> Schema:
    """A string."""
    return {"type": "string", **more}


def nullable(schema: Schema) -> Schema:
    """That, or null."""
    if isinstance(schema.get("type"), str) and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def whole(**more: Any) -> Schema:
    """A whole number that is not negative."""
    return {"type": "integer", "minimum": 0, **more}


def listed(items: Schema, **more: Any) -> Schema:
    """A list."""
    return {"type": "array", "items": items, **more}


def closed(properties: dict[str, Schema], *, optional: tuple[str, ...] = (), **more: Any) -> Schema:
    """An object with these members and no other, all of them there but the optional ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False, **more}


def _by(names: Any, schema: Schema, **more: Any) -> Schema:
    return closed({str(name): schema for name in names}, **more)


MOMENT = text(format="date-time", examples=["2026-11-23T18:00:00Z"])
DIGEST = text(pattern=f"^{shapes.DIGEST.pattern}$")
ID = text(pattern=UUID)
PROBLEM = closed({"key": text(), "problem": text()})
REGISTRY = text(pattern=f"^{shapes.REGISTRY.pattern}$")
REGION = text(pattern=f"^{shapes.REGION.pattern}$", examples=["eu-west-1"])


def _patterns(pattern: str, longest: int, most: int, least: int) -> Schema:
    return listed(text(pattern=f"^{pattern}$", maxLength=longest), maxItems=most, minItems=least)


_NOTIFY = {"severity": ref("RatedSeverity"), "fixable": {"type": "boolean"}}


def _configuration() -> dict[str, Schema]:
    """The fields that a person sets."""
    repository = text(
        pattern=f"^{shapes.REPOSITORY_PATTERN.pattern}$", minLength=1, maxLength=shapes.LONGEST_REPOSITORY
    )
    return {
        "region": REGION,
        "registry": REGISTRY,
        "repository": {
            "description": "A repository name, a glob, or a list of them; a leading ! excludes, and one must include.",
            "anyOf": [
                {**repository, "not": {"pattern": "^!"}},
                listed(repository, minItems=1, maxItems=100, contains={"not": {"pattern": "^!"}}),
            ],
        },
        "tags": nullable(_patterns(shapes.TAG_PATTERN.pattern, shapes.LONGEST_TAG, 100, 0)),
        "newest": nullable({"type": "integer", "minimum": 1, "maximum": 1000}),
        "severity": nullable(ref("RatedSeverity")),
        "notify": {
            "description": "The least severe to send; as an object, only what has a fix, or once it has one.",
            "anyOf": [ref("RatedSeverity"), closed(_NOTIFY, optional=tuple(_NOTIFY)), {"type": "null"}],
        },
        "clock": nullable(text(enum=[configuration.DISCOVERED, configuration.FIXABLE])),
        "exploited": nullable({"type": "boolean"}),
        "ignore": nullable(listed(ref("SuppressionToSet"), maxItems=500)),
        "owner": nullable(text(minLength=1, maxLength=100)),
        "role_arn": nullable(text(pattern=f"^{shapes.ROLE_ARN.pattern}$")),
        "description": nullable(text(minLength=1, maxLength=500)),
    }


def _suppression(tags: Schema) -> dict[str, Schema]:
    return {
        "vulnerability": text(pattern="^[^!]", minLength=1, maxLength=shapes.LONGEST_REPOSITORY),
        "package": text(minLength=1, maxLength=shapes.LONGEST_REPOSITORY),
        "tags": tags,
        "reason": text(minLength=1, maxLength=500),
        "until": text(format="date"),
    }


def schemas() -> dict[str, Schema]:
    """Every named schema."""
    to_set = _configuration()
    required = ("region", "registry", "repository")
    answered = {
        **{name: to_set[name] for name in (*required, "newest", "severity", "role_arn")},
        "tags": listed(text()),
        "notify": {"anyOf": [ref("RatedSeverity"), closed(_NOTIFY)]},
        "clock": text(enum=[configuration.DISCOVERED, configuration.FIXABLE]),
        "exploited": {"type": "boolean"},
        "ignore": listed(ref("Suppression")),
        "owner": nullable(text()),
        "description": nullable(text()),
    }
    stored = {"id": ID, "created": MOMENT, "updated": MOMENT, **answered, "feed_url": text(format="uri")}
    stored["changes_feed_url"] = text(format="uri")
    told = {
        name: {"type": [_JSON_TYPES[kind], "null"], "description": "Filled in by the service; what is sent is ignored."}
        for name, kind in configuration.ANSWERED.items()
    }
    counts = _by(Severity, whole(), description="Findings by severity, every severity named.")
    coverage = closed({"selected": whole(), **{name: whole() for name in COVERAGE}})
    changes = _by(WINDOWS, _by(KINDS, whole()))
    ages = _by(Severity, ref("Age"), optional=tuple(Severity))
    problem = PROBLEM
    tagged = listed(text())
    bounds = {"expires": nullable(text(format="date")), "addresses": listed(text())}
    return {
        "Error": closed(
            {
                "error": closed(
                    {
                        "code": text(enum=sorted(api.CODES)),
                        "message": text(),
                        "details": listed(closed({"field": text(), "problem": text()})),
                    }
                )
            }
        ),
        "GatewayError": {"type": "object", "properties": {"message": nullable(text())}},
        "Severity": text(enum=list(Severity)),
        "RatedSeverity": text(enum=list(RATED)),
        "SuppressionToSet": closed(
            {name: nullable(schema) for name, schema in _suppression(to_set["tags"]).items()}
            | {name: _suppression({})[name] for name in ("vulnerability", "reason")},
            optional=("package", "tags", "until"),
        ),
        "Suppression": closed(_suppression(tagged), optional=("package", "tags", "until")),
        "ConfigurationToSet": closed(
            to_set | told,
            optional=tuple({*to_set, *told} - set(required)),
            description="What may be sent. What an answer adds may be sent back.",
        ),
        "Configuration": closed(stored),
        "ChangedConfiguration": closed(stored | {"warnings": listed(text())}),
        "CreatedConfiguration": closed(
            stored | {"first_results": closed({"expected_by": MOMENT}), "warnings": listed(text())}
        ),
        "DryRun": closed({**answered, "warnings": listed(text()), "dry_run": ref("Preview")}),
        "Preview": _preview(),
        "TokenToAdd": closed(
            {
                "name": text(pattern=f"^{tokens.TOKEN_NAME.pattern}$"),
                "expires": nullable(text(format="date")),
                "addresses": nullable(listed(text(minLength=1, maxLength=64), maxItems=tokens.MOST_ADDRESSES)),
            },
            optional=("expires", "addresses"),
        ),
        "Token": closed(
            {
                "name": text(),
                "created": MOMENT,
                "prefix": text(),
                **bounds,
                "last_used": nullable(
                    text(
                        format="date",
                        description="The last day, UTC, on which it opened something. Null: none is known; "
                        "days are kept for 90 days.",
                    )
                ),
            }
        ),
        "AddedFeedToken": closed(
            {
                "name": text(),
                "created": MOMENT,
                **bounds,
                "token": text(),
                "feed_url": text(format="uri"),
                "changes_feed_url": text(format="uri"),
            }
        ),
        "AddedDashboardToken": closed(
            {"name": text(), "created": MOMENT, **bounds, "token": text(), "dashboard_url": text(format="uri")}
        ),
        "AddedGateToken": closed(
            {"name": text(), "created": MOMENT, **bounds, "token": text(), "gate_url": text(format="uri")}
        ),
        "Counts": counts,
        "Coverage": coverage,
        "Changes": changes,
        "Resolved": _by(WINDOWS, _by(TOLD, whole())),
        **_signals(),
        "Ages": ages,
        "Age": closed(
            {
                "oldest_since": MOMENT,
                "oldest_days": whole(),
                "days_allowed": nullable(whole()),
                "beyond": whole(),
            }
        ),
        "Image": closed(
            {
                "repository": text(),
                "digest": DIGEST,
                "tags": tagged,
                "platform": nullable(text()),
                "manifest": nullable(DIGEST),
                "state": text(enum=list(ImageState)),
                "reason": text(),
                "scanned_at": nullable(MOMENT),
                "next_due": nullable(MOMENT),
                "pushed_at": MOMENT,
                "counts": nullable(ref("Counts")),
                "suppressed": nullable(whole()),
                "exploited": nullable(whole()),
                "upgrades": nullable(closed({"packages": whole(), "findings": whole()})),
                "release": nullable(text()),
            }
        ),
        "ConfigurationSummary": closed(
            {
                **{name: stored[name] for name in ("id", "description", "owner", "registry", "region", "repository")},
                **{name: stored[name] for name in ("tags", "newest", "severity")},
                "coverage": ref("Coverage"),
                "counts": nullable(ref("Counts")),
                "fixable": nullable(ref("Counts")),
                "exploited": nullable(ref("ExploitedCount")),
                "suppressed": whole(),
                "ages": ref("Ages"),
                "changes": ref("Changes"),
                "resolved": ref("Resolved"),
                "ignore": listed(
                    closed({**_suppression(tagged), "findings": whole()}, optional=("package", "tags", "until"))
                ),
                "problems": listed(text()),
                "not_images": _not_images(),
                "images": listed(ref("Image")),
            }
        ),
        "Summary": closed(
            {
                "schema": {"const": summary_wire.SCHEMA},
                "version": text(description="Of the service that answers."),
                "at": MOMENT,
                "totals": closed(
                    {
                        "configurations": whole(),
                        "repositories": whole(),
                        "images": whole(),
                        "counts": nullable(ref("Counts")),
                        "fixable": nullable(ref("Counts")),
                        "exploited": nullable(ref("ExploitedCount")),
                        "ages": ref("Ages"),
                        "changes": ref("Changes"),
                        "coverage": ref("Coverage"),
                        "not_images": whole(),
                    }
                ),
                "configurations": listed(ref("ConfigurationSummary")),
                "problems": listed(problem),
                "signals": {"type": "object", "additionalProperties": ref("Source")},
            }
        ),
        "Whereabouts": _whereabouts(tagged, problem),
        "Health": _health(),
    }


def _health() -> Schema:
    finding = {"code": text(), "severity": text(enum=[health.ERROR, health.WARNING]), "what": text(), "do": text()}
    account = {
        "registry": text(),
        "region": text(),
        "scan_type": text(),
        "events": closed({"push": nullable(MOMENT), "scan": nullable(MOMENT)}),
        "quota": closed({"started": whole(), "of": whole()}),
    }
    return closed(
        {
            "schema": {"const": health_wire.SCHEMA},
            "version": text(),
            "at": MOMENT,
            "findings": listed(closed(finding)),
            "configurations": whole(),
            "tick_at": nullable(MOMENT),
            "looked_at": nullable(MOMENT),
            "subscriptions": closed({"confirmed": nullable(whole()), "pending": nullable(whole())}),
            "queue": closed({"waiting": nullable(whole()), "dead": nullable(whole())}),
            "accounts": listed(closed(account), maxItems=health_wire.MOST_ACCOUNTS),
        }
    )


def _not_images() -> Schema:
    artifact = {
        "repository": text(),
        "digest": DIGEST,
        "tags": listed(text(), maxItems=others.MOST_TAGS),
        "kind": text(),
        "media_type": text(),
        "pushed_at": MOMENT,
    }
    return closed(
        {
            "count": whole(),
            "kinds": {"type": "object", "additionalProperties": whole()},
            "first": listed(closed(artifact), maxItems=others.MOST_LISTED),
        },
        description="What is no image, under a selected tag or attached to one; it takes no image's place.",
    )


_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
SIGNAL: dict[str, Schema] = {
    "exploited": {
        "description": "null where nobody knows; false where every list was read and none names it.",
        "anyOf": [ref("Exploited"), {"const": False}, {"type": "null"}],
    },
    "epss": nullable(closed({"score": _SHARE, "percentile": _SHARE})),
    "likely": nullable({"type": "boolean"}),
}


FIXES: dict[str, Schema] = {
    "fixable": {"type": ["boolean", "null"], "description": "null where nobody knows."},
    "fixes": listed(
        closed(
            {
                "state": text(enum=list(FixState)),
                "version": nullable(text()),
                "release": nullable(text()),
                "since": nullable(MOMENT),
                "why": nullable(text()),
            }
        ),
        maxItems=MOST_FIXES,
    ),
}


def _signals() -> dict[str, Schema]:
    """What public lists say, and how each of them stands."""
    return {
        "Exploited": closed(
            {
                "since": text(format="date"),
                "lists": {"type": "object", "additionalProperties": text(format="date")},
                "ransomware": {"type": "boolean"},
            }
        ),
        "ExploitedCount": closed(
            {"findings": whole(), "days_allowed": nullable(whole()), "beyond": whole()},
            description="null where it stands: not known, because a list was never read.",
        ),
        "Source": closed(
            {
                "name": text(),
                "version": nullable(text()),
                "read_at": nullable(MOMENT),
                "checked_at": nullable(MOMENT),
                "problem": nullable(text()),
            }
        ),
    }


def _preview() -> Schema:
    tagged = {"tags": listed(text(), maxItems=dry_run.MOST_TAGS), "tags_in_all": whole()}
    image = closed({"repository": text(), "digest": DIGEST, **tagged, "pushed_at": MOMENT})
    other = closed({**image["properties"], "kind": text()})
    number = nullable(whole())
    first = closed({"repository": text(), "selected": number, "left_out": number})
    most = dry_run.MOST_LISTED
    return closed(
        {
            "known": {"type": "boolean"},
            "as_of": nullable(MOMENT),
            "repositories": closed(
                {"matching": number, "not_listed_yet": whole(), "first": listed(first, maxItems=most)}
            ),
            "images": closed(
                {
                    "selected": number,
                    "left_out_by_newest": number,
                    "not_images": number,
                    "first_selected": listed(image, maxItems=most),
                    "first_left_out": listed(image, maxItems=most),
                    "first_not_images": listed(other, maxItems=most),
                }
            ),
            "scans_a_day": number,
            "scans_a_day_shared": number,
            "cost": closed({"usd_a_month_at_most": nullable({"type": "number", "minimum": 0})}),
            "first_results": closed({"recorded": number, "expected_by": MOMENT}),
        }
    )


def _whereabouts(tagged: Schema, problem: Schema) -> Schema:
    place = {"registry": REGISTRY, "region": text(), "repository": text()}
    return closed(
        {
            "schema": {"const": where.SCHEMA},
            "at": MOMENT,
            "vulnerability": text(),
            "uri": nullable(text()),
            "score": nullable(text()),
            **SIGNAL,
            "repositories_searched": whole(),
            "repositories_affected": whole(),
            "images_affected": whole(),
            "coverage": ref("Coverage"),
            "places": listed(
                closed(
                    {
                        **place,
                        "digest": DIGEST,
                        "tags": tagged,
                        "platform": nullable(text()),
                        "manifest": DIGEST,
                        "package": text(),
                        "version": text(),
                        "severity": ref("Severity"),
                        "fixed_in": nullable(text()),
                        **FIXES,
                        "since": MOMENT,
                        "first_seen": MOMENT,
                        "stands_in": {"type": "boolean"},
                        "configurations": listed(ID, minItems=1),
                        "suppressed_by": listed(ID),
                    }
                )
            ),
            "past": listed(
                closed(
                    {
                        **place,
                        "package": text(),
                        "severity": ref("Severity"),
                        "tags": tagged,
                        "opened": MOMENT,
                        "closed": MOMENT,
                        "reason": text(enum=list(TOLD)),
                        "configurations": listed(ID, minItems=1),
                    }
                )
            ),
            "problems": listed(problem),
        }
    )
