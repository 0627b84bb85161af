"""The part of SARIF 2.1.0 that the command writes, as JSON Schema: names, kinds and limits as OASIS has them.

From the specification (OASIS Standard, errata 01): 3.13 sarifLog, 3.14 run, 3.18 tool, 3.19 toolComponent, 3.49
reportingDescriptor, 3.20 invocation, 3.58 notification, 3.27 result, 3.28 location, 3.29 physicalLocation, 3.4
artifactLocation, 3.30 region, 3.33 logicalLocation, 3.35 suppression, 3.11 message, 3.8 property bags. Everything else
is refused, so that a member that SARIF does not have is found.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
# RFC 3986: a URI reference has no spaces, quotes, or other characters that must be encoded.
_URI_REFERENCE: Schema = {"type": "string", "pattern": "^[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]*$"}
_LEVEL: Schema = {"enum": ["none", "note", "warning", "error"]}
_BAG: Schema = {"type": "object", "properties": {"tags": {"type": "array", "items": _TEXT, "uniqueItems": True}}}


def _object(required: tuple[str, ...], **properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


_MESSAGE = _object(("text",), text=_TEXT)
_RULE = _object(
    ("id",), id=_TEXT, shortDescription=_MESSAGE, helpUri=_URI_REFERENCE | {"format": "uri"}, properties=_BAG
)
_LOCATION = _object(
    (),
    physicalLocation=_object(
        ("artifactLocation",),
        artifactLocation=_object(("uri",), uri=_URI_REFERENCE),
        region=_object((), startLine={"type": "integer", "minimum": 1}),
    ),
    logicalLocations=_list(_object((), fullyQualifiedName=_TEXT), uniqueItems=True),
)
_SUPPRESSION = _object(
    ("kind",),
    kind={"enum": ["inSource", "external"]},
    status={"enum": ["accepted", "underReview", "rejected"]},
    justification=_TEXT,
)
_RESULT = _object(
    ("message",),
    ruleId=_TEXT,
    level=_LEVEL,
    message=_MESSAGE,
    locations=_list(_LOCATION),
    partialFingerprints={"type": "object", "additionalProperties": _TEXT},
    suppressions=_list(_SUPPRESSION, uniqueItems=True),
    properties=_BAG,
)
_INVOCATION = _object(
    ("executionSuccessful",),
    executionSuccessful={"type": "boolean"},
    toolExecutionNotifications=_list(_object(("message",), level=_LEVEL, message=_MESSAGE)),
)
_DRIVER = _object(("name",), name=_TEXT, rules=_list(_RULE, uniqueItems=True))
_RUN = _object(
    ("tool",), tool=_object(("driver",), driver=_DRIVER), invocations=_list(_INVOCATION), results=_list(_RESULT)
)

_LOG: dict[str, Schema] = {"$schema": _URI_REFERENCE, "version": {"const": "2.1.0"}, "runs": _list(_RUN)}
SARIF = _object(("version", "runs"), **_LOG)
