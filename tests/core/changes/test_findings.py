"""The findings document: its form, its refusals, and what an opening tells of severities."""

from __future__ import annotations

import json

import pytest

from ecr_rescan.core.changes.findings import FindingsDocument, Opening
from ecr_rescan.core.errors import DocumentError, UnknownSchemaError
from tests.core.worlds import BEGAN, CRITICAL, HIGH, LOW, MEDIUM, UNDEFINED, World, configuration, found, settled


def eventful() -> World:
    """A world whose document has something in every field."""
    world = settled(configuration("a"), configuration("prod", tags=("prod*",)))
    world.push("multi", "prod", platforms=("linux/amd64", "linux/arm64"))
    world.scan({"multi/linux/amd64": [found("CVE-2", UNDEFINED, package="", version="", score="9.8", vector="AV:N")]})
    world.wait(1)
    world.scan({"multi/linux/amd64": [found("CVE-2", CRITICAL, package="", version="", uri="https://e.example/")]})
    world.wait(1)
    world.scan({"v1": [found("CVE-OLD", CRITICAL, fixed_in="2", description="é\u2028")], "multi/linux/amd64": []})
    world.push("v2", "latest", "v2")
    world.scan({}, failed=["v2"])
    return world


def test_a_document_reads_back_exactly() -> None:
    """Every field survives, and the same content gives the same bytes."""
    document = eventful().document()
    body = document.to_json()
    assert FindingsDocument.from_json("key", body) == document
    assert FindingsDocument.from_json("key", body).to_json() == body
    wire = json.loads(body)
    assert all(wire[name] for name in ("manifests", "images", "findings", "advisories", "outbox"))


def test_the_order_of_insertion_does_not_show() -> None:
    """Two workers that learn the same in another order write the same bytes."""
    document = eventful().document()
    again = FindingsDocument.from_json("key", document.to_json())
    for name in ("images", "findings", "advisories"):
        setattr(again, name, dict(reversed(list(getattr(again, name).items()))))
    again.outbox.reverse()
    assert again.to_json() == document.to_json()


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"schema":1}', b"\xff", b"[" * 100_000])
def test_what_is_no_findings_document_says_so(body: bytes) -> None:
    """The error names the key."""
    with pytest.raises(DocumentError, match="findings/x"):
        FindingsDocument.from_json("findings/x", body)


def test_damage_inside_is_noticed() -> None:
    """A field that is missing or of another kind is an error, not a default."""
    wire = json.loads(eventful().document().to_json())
    for name in set(wire) - {"schema"}:
        with pytest.raises(DocumentError):
            FindingsDocument.from_json(
                "key",
                json.dumps({**wire, name: "7?"}).encode()
                if name not in ("registry", "region", "repository")
                else json.dumps({k: v for k, v in wire.items() if k != name}).encode(),
            )


def test_an_unknown_schema_is_refused() -> None:
    """So that it is never overwritten."""
    with pytest.raises(UnknownSchemaError):
        FindingsDocument.from_json("findings/x", b'{"schema":2}')


def test_an_opening_knows_its_severities_now_and_before() -> None:
    """Both are asked for a set of manifests: what a configuration sees of it."""
    opening = Opening(BEGAN, {"1.0": {HIGH: 0b001}, "1.1": {LOW: 0b110}}, {CRITICAL: 0b100, MEDIUM: 0b010})
    assert opening.mask == 0b111
    assert [opening.severity(mask) for mask in (0b111, 0b110, 0b1000)] == [HIGH, LOW, UNDEFINED]
    assert [opening.peak(mask) for mask in (0b111, 0b011, 0b010)] == [CRITICAL, HIGH, MEDIUM]
