"""What is said of a vulnerability: whose text it is, when it changes, and what mends it."""

from __future__ import annotations

from tests.core.worlds import BEGAN, found, settled


def test_texts_stay_with_the_image_they_were_taken_from() -> None:
    """Another image's different words change nothing; its own next result does, and so does its end."""
    world = settled(findings=[found("CVE-1", description="one")])
    world.push("v2", "v2")
    world.scan({"v2": [found("CVE-1", description="two")]})

    def told() -> str:
        return world.document().advisories["CVE-1"].description

    assert told() == "one"
    world.wait(24)
    world.scan({"v2": [found("CVE-1", description="two")], "v1": [found("CVE-1", description="uno")]})
    assert told() == "uno"
    world.delete("v1")
    world.wait(24)
    world.scan({"v2": [found("CVE-1", description="two")]})
    assert told() == "two"


def test_a_text_that_changes_dates_the_finding() -> None:
    """A feed shows what is updated by its date."""
    world = settled(findings=[found("CVE-1", description="one"), "CVE-OLD"])
    world.scan({"v1": [found("CVE-1", description="two"), "CVE-OLD"]})
    findings = world.document().findings
    assert findings["CVE-1", "pkg"].updated_at == world.now
    assert findings["CVE-OLD", "pkg"].updated_at == BEGAN


def test_fixes_are_kept_by_affected_version() -> None:
    """The version that mends it, where a result says so; forgotten with the version."""
    world = settled(findings=[found("CVE-1", version="1.0", fixed_in="1.1")])
    assert world.document().findings["CVE-1", "pkg"].fixes == {"1.0": "1.1"}
    world.scan({"v1": [found("CVE-1", version="2.0", fixed_in="2.1")]})
    assert world.document().findings["CVE-1", "pkg"].fixes == {"2.0": "2.1"}
