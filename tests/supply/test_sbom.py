"""The bill of materials of the layer: all that is in it, under a licence, and the same bytes for the same layer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from supply.locks import LAYER, Package, locked
from supply.sbom import bill, main


def install(site: Path, package: Package, *lines: str) -> None:
    folder = site / f"{package.name.replace('-', '_')}-{package.version}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    head = ["Metadata-Version: 2.4", f"Name: {package.name}", f"Version: {package.version}"]
    (folder / "METADATA").write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A layer as it is locked, each package under MIT."""
    for package in locked([LAYER]):
        install(tmp_path, package, "License: MIT")
    return tmp_path


def test_every_package_is_listed_with_its_version_and_licence(site: Path) -> None:
    """An expression of SPDX stays one; otherwise the classifiers count, and else the short text."""
    versions = {package.name: package for package in locked([LAYER])}
    install(site, versions["orjson"], "License-Expression: MPL-2.0 AND (Apache-2.0 OR MIT)")
    two = ("BSD License", "Apache Software License")
    classifiers = [f"Classifier: License :: OSI Approved :: {name}" for name in two]
    install(site, versions["python-dateutil"], "License: Dual License", *classifiers)
    components = {one["name"]: one for one in bill(site)["components"]}
    assert {(one["name"], one["version"]) for one in components.values()} == {
        (package.name, package.version) for package in versions.values()
    }
    assert components["orjson"]["licenses"] == [{"expression": "MPL-2.0 AND (Apache-2.0 OR MIT)"}]
    assert components["python-dateutil"]["licenses"] == [{"license": {"name": name}} for name in two]
    assert components["six"]["licenses"] == [{"license": {"name": "MIT"}}]
    assert components["six"]["purl"] == f"pkg:pypi/six@{versions['six'].version}"


def test_it_tells_what_needs_what(site: Path) -> None:
    """Extras that nobody asked for, and packages that are not there, are left out."""
    versions = {package.name: package for package in locked([LAYER])}
    needs = ["Requires-Dist: Six>=1.5", "Requires-Dist: boto3; extra == 'aws'", "Requires-Dist: pytest"]
    install(site, versions["python-dateutil"], "License: BSD", *needs)
    made = bill(site)
    (dateutil,) = [one for one in made["dependencies"] if one["ref"].startswith("pkg:pypi/python-dateutil@")]
    assert dateutil["dependsOn"] == [f"pkg:pypi/six@{versions['six'].version}"]
    assert len(made["dependencies"][0]["dependsOn"]) == len(versions)


def test_the_same_layer_gives_the_same_bytes(site: Path, tmp_path: Path) -> None:
    """And another one another serial number."""
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    assert [main([str(site), str(first)]), main([str(site), str(second)])] == [0, 0]
    assert first.read_bytes() == second.read_bytes()
    install(site, locked([LAYER])[0], "License: Apache-2.0")
    assert bill(site)["serialNumber"] != json.loads(first.read_bytes())["serialNumber"]


@pytest.mark.parametrize(("package", "line"), [(Package("left-pad", "1.0"), "License: MIT"), (None, "Summary: none")])
def test_what_is_not_locked_or_under_no_licence_fails_the_build(
    site: Path, package: Package | None, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written then, and it is said what is wrong."""
    odd = package or locked([LAYER])[0]
    install(site, odd, line)
    assert main([str(site), str(site / "bill.json")]) == 1
    assert odd.name in capsys.readouterr().err
    assert not (site / "bill.json").exists()
