"""The operations of the API: what each takes, and everything that it may answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from contract import gate, vulnerabilities
from contract.schemas import UUID, Schema, listed, ref, text, whole
from ecr_rescan.core.dashboard.query import CHANGE_KINDS, HOURS, LARGEST_PAGE_NUMBER, LONGEST_TEXT, SORTS, VIEWS
from ecr_rescan.core.severity import RATED
from ecr_rescan.core.summary import pages
from ecr_rescan.core.summary.summary import COVERAGE
from ecr_rescan.core.tokens import TOKEN_NAME
from ecr_rescan.core.vulnerabilities import ids, query
from ecr_rescan.runtime.api import JSON
from functions.config import app as config
from functions.summary import app as summary

Operation = dict[str, Any]

IAM: list[Schema] = [{"sigv4": []}]
TOKEN: list[Schema] = [{"token": []}, {"basic": []}]

_MEANINGS = {
    "304": "The reader has it already.",
    "400": "Something in the request is wrong; the error says what.",
    "401": "The token is missing or wrong.",
    "403": "API Gateway: not signed, not allowed, or nothing is at this path.",
    "404": "There is no such thing.",
    "406": "Nothing that is acceptable.",
    "409": "It exists, or somebody else changed it at the same time.",
    "412": "It is not what the condition says.",
    "413": "The body is too large.",
    "429": "API Gateway: too many requests.",
    "500": "The request failed inside the service.",
    "503": "The record can't be reached, or nothing is recorded yet.",
    "504": "API Gateway: the function took too long.",
}
_EVERYWHERE = ("400", "403", "429", "500", "503", "504")
_OF_GATEWAY = ("403", "429", "504")


def paths() -> dict[str, dict[str, Operation]]:
    """Every path with its operations."""
    return {
        "/configs": _configs(),
        "/configs/{id}": _config(),
        "/configs/{id}/tokens": _tokens("FeedToken", "/configs/{id}/tokens"),
        "/configs/{id}/tokens/{name}": {"delete": _revoke([_ID, _NAME])},
        "/dashboard/tokens": _tokens("DashboardToken", "/dashboard/tokens"),
        "/dashboard/tokens/{name}": {"delete": _revoke([_NAME])},
        "/gate/tokens": _tokens("GateToken", "/gate/tokens"),
        "/gate/tokens/{name}": {"delete": _revoke([_NAME])},
        "/gate": {"get": _gate(IAM, _parameter("token", text(), "On one machine, where nobody checks signatures."))},
        "/gate/ci": {"get": _gate(TOKEN)},
        "/summary": {"get": _summary("Every configuration, added up", [])},
        "/summary/{id}": {"get": _summary("One configuration, added up", [_ID], "404")},
        "/vulnerabilities": {"get": _vulnerabilities()},
        "/vulnerabilities/{id}": {"get": _where()},
        "/health": {"get": _health()},
        "/openapi.json": {"get": _contract()},
        "/metrics": {"get": _metrics()},
        "/dashboard": {"get": _dashboard("The page of all configurations", [])},
        "/dashboard/{id}": {"get": _dashboard("The page of one configuration", [_ID], "404")},
        "/findings/{id}": {"get": _feed()},
    }


def _parameter(name: str, schema: Schema, description: str, where: str = "query", **more: Any) -> Schema:
    return {"name": name, "in": where, "schema": schema, "description": description, **more}


_ID = _parameter("id", text(pattern=UUID), "The configuration's id.", "path", required=True)
_NAME = _parameter("name", text(pattern=f"^{TOKEN_NAME.pattern}$"), "The token's name.", "path", required=True)
_DRY_RUN = _parameter(
    "dry_run", text(enum=["true", "false"]), "Answer what it would do, from what is recorded, and store nothing."
)
_IF_MATCH = _parameter("If-Match", text(), "Only what has this ETag; * for whatever is there.", "header")
_LIMIT = {"type": "integer", "minimum": 1}
_AFTER = _parameter("after", text(), "From the link to the next page.")
_NEXT = {"Link": {"schema": text(), "description": 'The next page, as rel="next"; without it this is the last.'}}
_ETAG = {"ETag": {"schema": text()}}
_LOCATION = {"Location": {"schema": text(format="uri")}}


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _answer(description: str, content: dict[str, Any] | None = None, headers: Schema | None = None) -> Schema:
    answer: Schema = {"description": description}
    if content:
        answer["content"] = content
    if headers:
        answer["headers"] = headers
    return answer


def _errors(codes: Iterable[str]) -> dict[str, Schema]:
    answers = {}
    for code in sorted({*codes, *_EVERYWHERE}):
        schema = ref("GatewayError" if code in _OF_GATEWAY else "Error")
        answers[code] = _answer(_MEANINGS[code], _json(schema) if code != "304" else None)
    return answers


def _operation(
    title: str,
    answers: dict[str, Schema],
    errors: Iterable[str],
    parameters: list[Schema] | None = None,
    *,
    body: str | None = None,
    security: list[Schema] = IAM,
) -> Operation:
    operation: Operation = {"summary": title, "security": security, "responses": answers | _errors(errors)}
    if parameters:
        operation["parameters"] = parameters
    if body:
        operation["requestBody"] = {"required": True, "content": _json(ref(body))}
    return operation


def _configs() -> dict[str, Operation]:
    limit = _parameter("limit", _LIMIT | {"maximum": config.LARGEST_PAGE, "default": config.DEFAULT_PAGE}, "Page size.")
    after = _parameter("after", text(pattern=UUID), "Those whose id comes after this one.")
    page = _answer("A page of the configurations.", _json(listed(ref("Configuration"))), _NEXT)
    created = _answer("Created.", _json(ref("CreatedConfiguration")), _LOCATION | _ETAG)
    return {
        "get": _operation("List the configurations", {"200": page}, ("400",), [limit, after]),
        "post": _operation(
            "Create a configuration",
            {"200": _answer("What it would do.", _json(ref("DryRun"))), "201": created},
            ("400", "409", "413"),
            [_DRY_RUN],
            body="ConfigurationToSet",
        ),
    }


def _config() -> dict[str, Operation]:
    none_match = _parameter("If-None-Match", text(enum=["*"]), "Create it, where there is none.", "header")
    there = _answer("The configuration.", _json(ref("Configuration")), _ETAG)
    changed = {"anyOf": [ref("ChangedConfiguration"), ref("DryRun")]}
    return {
        "get": _operation("Show a configuration", {"200": there}, ("404",), [_ID]),
        "put": _operation(
            "Change a configuration, or create it under an id of one's own",
            {
                "200": _answer("Changed, or what it would do.", _json(changed), _ETAG),
                "201": _answer("Created.", _json(ref("CreatedConfiguration")), _LOCATION | _ETAG),
            },
            ("400", "404", "409", "412", "413"),
            [_ID, _DRY_RUN, _IF_MATCH, none_match],
            body="ConfigurationToSet",
        ),
        "delete": _operation(
            "Remove a configuration and its tokens",
            {"204": _answer("Removed.")},
            ("404", "409", "412"),
            [_ID, _IF_MATCH],
        ),
    }


def _tokens(kind: str, path: str) -> dict[str, Operation]:
    of = [_ID] if "{id}" in path else []
    missing = ("404",) if of else ()
    added = _answer("Made. The token is shown this once.", _json(ref(f"Added{kind}")), _LOCATION)
    return {
        "get": _operation("List the tokens", {"200": _answer("All.", _json(listed(ref("Token"))))}, missing, of),
        "post": _operation("Make a token", {"201": added}, ("400", "409", "413", *missing), of, body="TokenToAdd"),
    }


def _revoke(parameters: list[Schema]) -> Operation:
    return _operation("Revoke a token", {"204": _answer("Revoked.")}, ("404", "409"), parameters)


def _summary(title: str, parameters: list[Schema], *more: str) -> Operation:
    content = _json(ref("Summary")) | {summary.TEXT: {"schema": text()}, summary.CSV: {"schema": text()}}
    limit = _LIMIT | {"maximum": pages.LARGEST_PAGE}
    default = f"by default {summary.LIMITS[JSON]:,} in JSON and {summary.LIMITS[summary.CSV]:,} otherwise"
    asked = [
        *parameters,
        _parameter("format", text(enum=list(summary.FORMATS)), "Wins over Accept."),
        _parameter(
            "limit", limit, f"Images on a page, at most, {default}; a page also ends where it would be too large."
        ),
        _AFTER,
    ]
    return _operation(title, {"200": _answer("What is recorded.", content, _NEXT)}, ("400", "406", *more), asked)


def _vulnerabilities() -> Operation:
    content = _json(ref("Vulnerabilities")) | {summary.TEXT: {"schema": text()}, summary.CSV: {"schema": text()}}
    limit = _LIMIT | {"maximum": summary.MOST_ROWS, "default": summary.DEFAULT_ROWS}
    asked = [
        *(_parameter(*parameter) for parameter in vulnerabilities.parameters()),
        _parameter("format", text(enum=list(summary.FORMATS)), "Wins over Accept."),
        _parameter("limit", limit, "Rows on a page, at most; a page also ends before 5 MB."),
        _AFTER,
    ]
    found = _answer("The rows, and what they rest on.", content, _NEXT)
    return _operation("What is open?", {"200": found}, ("400", "404", "406"), asked)


def _where() -> Operation:
    limit = _LIMIT | {"maximum": pages.LARGEST_PAGE, "default": summary.LIMITS[JSON]}
    named = text(minLength=1, maxLength=ids.LONGEST, pattern=f"^{ids.PATTERN}$")
    asked = [
        _parameter("id", named, "Such as CVE-2026-1234; any spelling of it does.", "path", required=True),
        _parameter("format", text(enum=[*summary.WHERE_FORMATS]), "Wins over Accept."),
        _parameter("fixable", text(enum=["true", "false"]), "Those places alone where it is known to have a fix."),
        _parameter("limit", limit, "Places on a page, at most."),
        _AFTER,
    ]
    found = _answer("Where it is and was; nowhere is an answer, too.", _json(ref("Whereabouts")), _NEXT)
    return _operation("Where is a vulnerability?", {"200": found}, ("400", "404", "406"), asked)


def _health() -> Operation:
    told = _answer("Everything that is wrong; nothing where there is nothing to say.", _json(ref("Health")))
    return _operation("What is wrong with this deployment?", {"200": told}, ())


def _gate(security: list[Schema], *more: Schema) -> Operation:
    asked = [
        _parameter(name, schema, description, required=required)
        for name, schema, description, required in gate.parameters()
    ]
    waits = {"Retry-After": {"schema": whole(), "description": "Seconds; where waiting may change the answer."}}
    answer = _answer("Pass, fail, or unknown with the reasons.", _json(ref("Verdict")), waits)
    errors = ("400", "401", "404")
    return _operation("May this image go on?", {"200": answer}, errors, [*asked, *more], security=security)


def _contract() -> Operation:
    return _operation("This contract", {"200": _answer("OpenAPI.", _json({"type": "object"}))}, ())


def _metrics() -> Operation:
    content = {"text/plain": {"schema": text()}}
    return _operation(
        "Metrics for Prometheus", {"200": _answer("The text format 0.0.4.", content)}, ("401",), security=TOKEN
    )


_EMPTY = {"type": "string", "maxLength": 0}
_OF_PAGES = ("package", "severity", "state", "sort")


def _dashboard(title: str, parameters: list[Schema], *more: str) -> Operation:
    content = {summary.HTML: {"schema": text()}, summary.CSV: {"schema": text()}}
    asked = [
        *parameters,
        _parameter("format", text(enum=list(summary.PAGE_FORMATS)), "Wins over Accept."),
        _parameter("view", text(enum=list(VIEWS)), "A list; without it the overview, with the images."),
        _parameter("search", text(maxLength=256), "A vulnerability, package or repository to look for."),
        _parameter("cve", text(maxLength=256), "The page of this vulnerability."),
        _parameter("package", text(maxLength=256), "In this package alone; of findings, a name or glob."),
        _parameter("q", text(maxLength=LONGEST_TEXT), "Text in the name of what is listed."),
        _parameter("state", text(enum=[*COVERAGE, *query.STATES]), "Images, or findings, in this state alone."),
        _parameter("severity", text(enum=list(RATED)), "The least severe."),
        _parameter("only", text(examples=["CRITICAL,HIGH"]), "Findings of these severities alone, or UNRATED."),
        _parameter("hours", text(enum=list(HOURS)), "Changes of so many hours."),
        _parameter("kind", text(enum=list(CHANGE_KINDS)), "Changes of this kind alone."),
        _parameter("sort", text(enum=[*SORTS, *query.SORTS]), "The order of the images, or of the findings."),
        _parameter("page", _LIMIT | {"maximum": LARGEST_PAGE_NUMBER}, "Of images, changes or repositories."),
        *(_parameter(*one) for one in vulnerabilities.parameters() if one[0] not in _OF_PAGES),
        _AFTER,
    ]
    # A form sends its empty fields, too: they count as not given.
    asked = [one if one["in"] != "query" else one | {"schema": {"anyOf": [one["schema"], _EMPTY]}} for one in asked]
    answers = {"200": _answer("The page.", content, _NEXT)}
    return _operation(title, answers, ("400", "401", "406", *more), asked, security=TOKEN)


def _feed() -> Operation:
    atom = _answer("An Atom feed.", {"application/atom+xml": {"schema": text()}}, _ETAG)
    asked = [
        _ID,
        _parameter("severity", text(enum=list(RATED)), "The least severe to show."),
        _parameter("tag", text(), "Only images with a tag like this."),
        _parameter("resolved", text(enum=["true", "false"]), "Resolved findings, too."),
        _parameter("exploited", text(enum=["true", "false"]), "Those alone that are known to be exploited."),
        _parameter("fixable", text(enum=["true", "false"]), "Those alone that are known to have a fix."),
        _parameter("changes", text(enum=["true", "false"]), "Without what was there from the beginning."),
        _parameter("limit", _LIMIT, "Entries, at most."),
    ]
    return _operation("The feed of a configuration", {"200": atom}, ("304", "400", "401", "404"), asked, security=TOKEN)
