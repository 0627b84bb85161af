"""Known vulnerabilities of what is locked: found, none, or "could not look", which is never the same as none."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from supply import vulnerabilities
from supply.advisories import CouldNotLook, look_into
from supply.locks import LAYER, Package, locked, locks
from supply.vulnerabilities import OLDEST_DAYS, answered, main

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
LXML = next(one for one in locked([LAYER]) if one.name == "lxml")
TOOL = next(one for one in locked(locks()) if one.name == "pytest")
OLD = [{"introduced": "0"}, {"fixed": "0.1"}]


def advisory(name: str, *, events: list[dict[str, str]], modified: datetime = NOW, **more: Any) -> dict[str, Any]:
    about = {"ecosystem": "PyPI", "name": name}
    ranges = [{"type": "GIT", "events": [{"introduced": "0"}]}, {"type": "ECOSYSTEM", "events": events}]
    affected = [{"package": about, "ranges": ranges, "versions": more.pop("versions", [])}]
    stamp = modified.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"id": f"PYSEC-{name}", "aliases": ["CVE-2026-1"], "modified": stamp, "affected": affected, **more}


def archive(folder: Path, *advisories: Mapping[str, Any]) -> Path:
    made = folder / "all.zip"
    with zipfile.ZipFile(made, "w") as opened:
        for number, one in enumerate(advisories):
            opened.writestr(f"{number}.json", json.dumps(one))
    return made


@pytest.mark.parametrize(
    ("events", "version", "affected"),
    [
        ([{"introduced": "0"}], "1.0", True),
        ([{"introduced": "0"}, {"fixed": "1.0"}], "1.0", False),
        ([{"introduced": "0"}, {"fixed": "1.0"}], "0.9.9", True),
        ([{"introduced": "0"}, {"fixed": "1.0"}], "1.0rc1", True),
        ([{"introduced": "0"}, {"last_affected": "1.0"}], "1.0", True),
        ([{"introduced": "0"}, {"last_affected": "1.0"}], "1.0.1", False),
        ([{"introduced": "1.10"}, {"fixed": "1.12"}], "1.9", False),
        ([{"introduced": "1.10"}, {"fixed": "1.12"}], "1.11", True),
        ([{"fixed": "2.1"}, {"introduced": "2.0"}, {"fixed": "1.1"}, {"introduced": "1.0"}], "2.0.5", True),
        ([{"fixed": "2.1"}, {"introduced": "2.0"}, {"fixed": "1.1"}, {"introduced": "1.0"}], "1.5", False),
        ([{"introduced": "no version"}], "1.0", True),
    ],
)
def test_a_version_is_affected_by_the_events_of_a_range(
    tmp_path: Path, events: list[dict[str, str]], version: str, affected: bool
) -> None:
    """In the order of versions, not of texts or of the file; what can't be compared is not called safe."""
    made = archive(tmp_path, advisory("Some_Package", events=events))
    found = look_into(made, [Package("some-package", version)], NOW, oldest_days=30)
    assert bool(found.known) is affected


def test_a_listed_version_is_affected_and_a_withdrawn_advisory_counts_for_nothing(tmp_path: Path) -> None:
    """As are other ecosystems' packages of the same name nothing to us."""
    listed = advisory("one", events=[], versions=["1.0"])
    withdrawn = advisory("two", events=[{"introduced": "0"}], withdrawn="2026-01-01T00:00:00Z")
    others = advisory("three", events=[{"introduced": "0"}])
    others["affected"][0]["package"]["ecosystem"] = "npm"
    packages = [Package(name, "1.0") for name in ("one", "two", "three")]
    found = look_into(archive(tmp_path, listed, withdrawn, others), packages, NOW, oldest_days=30)
    assert [one.names for one in found.known] == [("PYSEC-one", "CVE-2026-1")]


def test_what_is_known_of_the_layer_fails_and_of_tools_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its names, and where it is fixed."""
    open_ended = [{"introduced": "0"}, {"fixed": "999"}]
    made = {"ADVISORIES": str(archive(tmp_path, advisory("lxml", events=open_ended)))}
    assert main(made, NOW) == 1
    assert f"in the layer: lxml {LXML.version}: PYSEC-lxml, CVE-2026-1 (fixed in 999)" in capsys.readouterr().out
    made = {"ADVISORIES": str(archive(tmp_path, advisory("pytest", events=open_ended)))}
    assert main(made, NOW) == 0
    assert f"not deployed: pytest {TOOL.version}" in capsys.readouterr().out


def test_nothing_known_says_by_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How many packages were looked at, and how new the advisories are."""
    assert main({"ADVISORIES": str(archive(tmp_path, advisory("lxml", events=OLD)))}, NOW) == 0
    told = capsys.readouterr().out
    assert f"0 in the layer's {len(locked([LAYER]))} packages" in told
    assert "newest advisory of 2026-03-02" in told


def unusable(folder: Path) -> list[Path]:
    """No archive, no zip file, nothing in it, nothing that is an advisory, one of long ago, one of no date."""
    old = advisory("lxml", events=OLD, modified=NOW - timedelta(days=OLDEST_DAYS + 1))
    (folder / "text.zip").write_text("text")
    made = [folder / "none.zip", folder / "text.zip"]
    for number, content in enumerate([[], [{"id": "x"}], [old], [{"modified": "no date"}]]):
        (folder / str(number)).mkdir()
        made.append(archive(folder / str(number), *content))
    return made


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize(("must", "status"), [("", 0), ("1", 2)])
def test_where_nothing_can_be_looked_at_that_is_what_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int, must: str, status: int
) -> None:
    """Never a count of none; and it fails where it must be looked at."""
    environment = {"ADVISORIES": str(unusable(tmp_path)[number]), "MUST_LOOK": must}
    assert main(environment, NOW) == status
    told = capsys.readouterr().out
    assert "COULD NOT LOOK" in told
    assert "0 in" not in told


def answer(*packages: Package, **vulns: list[dict[str, Any]]) -> str:
    told = [{"name": one.name, "version": one.version, "vulns": vulns.get(one.name, [])} for one in packages]
    return json.dumps({"dependencies": told, "fixes": []})


def test_pip_audit_must_have_answered_for_every_package() -> None:
    """It calls that no known vulnerabilities, and ends with 0, when PyPI told it of nothing."""
    one, other = Package("one", "1.0"), Package("other", "2.0")
    assert answered(answer(one, other), "", [one, other]) == set()
    skipped = json.dumps({"dependencies": [{"name": "one", "skip_reason": "Dependency not found on PyPI"}]})
    for text in (skipped, answer(other), answer(Package("one", "1.1")), "", "[]", '{"dependencies": [{}]}'):
        with pytest.raises(CouldNotLook):
            answered(text, "No known vulnerabilities found", [one])


def test_what_pip_audit_found_is_told_with_all_its_names() -> None:
    """And with the versions that fix it."""
    one = Package("one", "1.0")
    text = answer(one, one=[{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["1.1"]}])
    (found,) = answered(text, "", [one])
    assert (found.names, found.fixed_in) == (("PYSEC-1", "CVE-1"), ("1.1",))


def test_a_pip_audit_that_is_not_there_could_not_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is told."""
    monkeypatch.setattr(vulnerabilities.sys, "executable", "/nowhere/python")
    with pytest.raises(CouldNotLook, match="did not run"):
        vulnerabilities.ask([LAYER])
