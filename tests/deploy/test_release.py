"""A release: its template deploys its archives from any bucket, and the same build gives the same bytes."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
import zipfile
from pathlib import Path

import pytest
from samtranslator.yaml_helper import yaml_parse

from ecr_rescan.core.version import VERSION
from local.functions import PROJECT
from local.translate import TEMPLATE
from release.__main__ import pack

ARCHIVED = ("ConfigFunction", "FindingsFunction", "SharedLayer", "StartScanFunction", "SummaryFunction")


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """What a build leaves, as far as packing goes."""
    for name in ARCHIVED:
        folder = tmp_path / "build" / name / "python"
        folder.mkdir(parents=True)
        (folder / "b.py").write_text(f"# {name}\n" * 100)
        (folder / "a.py").write_text("")
    (tmp_path / "sbom.cdx.json").write_text("{}")
    return tmp_path


def test_there_is_one_version() -> None:
    """Of the project, of the code that runs, and of the entry in the Serverless Application Repository."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    listed = yaml_parse(TEMPLATE.read_text("utf-8"))["Metadata"]["AWS::ServerlessRepo::Application"]
    assert project["version"] == VERSION == listed["SemanticVersion"]
    assert (PROJECT / listed["LicenseUrl"]).is_file()
    assert (PROJECT / listed["ReadmeUrl"]).is_file()
    assert listed["SpdxLicenseId"] == project["license"]


def test_the_same_build_gives_the_same_bytes(built: Path, tmp_path: Path) -> None:
    """Whenever it is packed, and with whatever times its files have."""
    first = {path.name: path.read_bytes() for path in pack(built, tmp_path / "one", "arm64")}
    for path in (built / "build").rglob("*.py"):
        path.touch()
    second = {path.name: path.read_bytes() for path in pack(built, tmp_path / "two", "arm64")}
    assert first == second


def test_the_sums_are_of_all_files(built: Path, tmp_path: Path) -> None:
    """As `sha256sum --check SHA256SUMS` reads them."""
    files = {path.name: path for path in pack(built, tmp_path / "one", "arm64")}
    told = dict(reversed(line.split("  ")) for line in files.pop("SHA256SUMS").read_text().splitlines())
    assert told == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


def test_an_archive_holds_what_was_built(built: Path, tmp_path: Path) -> None:
    """Every file, readable by everybody, and named by the content so that a stack changes where that changes."""
    files = pack(built, tmp_path / "one", "arm64")
    for name in ARCHIVED:
        (archive,) = [path for path in files if path.name.startswith(f"{name}-")]
        with zipfile.ZipFile(archive) as packed:
            held = {entry.filename: packed.read(entry) for entry in packed.infolist()}
            assert {entry.external_attr >> 16 for entry in packed.infolist()} == {0o100644}
        source = built / "build" / name
        assert held == {path.relative_to(source).as_posix(): path.read_bytes() for path in source.rglob("*.py")}
        assert hashlib.sha256(archive.read_bytes()).hexdigest().startswith(archive.stem.rpartition("-")[2])


def test_the_template_takes_the_archives_from_any_bucket(built: Path, tmp_path: Path) -> None:
    """And says for which processor they are; nothing in it is a path of the machine that packed it."""
    files = {path.name: path for path in pack(built, tmp_path / "one", "x86_64")}
    template = json.loads(files["template.json"].read_text("utf-8"))
    keys = []
    for resource in template["Resources"].values():
        for member in ("CodeUri", "ContentUri"):
            if code := resource["Properties"].get(member):
                assert code["Bucket"] == {"Ref": "CodeBucket"}
                keys.append(code["Key"]["Fn::Sub"].removeprefix("${CodePrefix}"))
    assert sorted(keys) == sorted(name for name in files if name.endswith(".zip"))
    assert template["Parameters"]["Architecture"]["AllowedValues"] == ["x86_64"]
    assert "Default" not in template["Parameters"]["CodeBucket"]
    assert VERSION in template["Description"]
    assert str(tmp_path) not in json.dumps(template)
    prefix = template["Parameters"]["CodePrefix"]["AllowedPattern"]
    assert [bool(re.search(prefix, one)) for one in ("", "a/", "a/b/", "a", "/")] == [True, True, True, False, True]


def test_another_version_of_a_function_has_another_name(built: Path, tmp_path: Path) -> None:
    """CloudFormation compares keys: the same key with other content would change nothing."""
    before = {path.name for path in pack(built, tmp_path / "one", "arm64")}
    (built / "build" / "SummaryFunction" / "python" / "b.py").write_text("changed")
    after = {path.name for path in pack(built, tmp_path / "two", "arm64")}
    assert {name.partition("-")[0] for name in before ^ after} == {"SummaryFunction"}
