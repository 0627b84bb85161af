"""``python -m supply.sbom SITE FILE``: write the bill of materials of a built layer, and list its licences.

CycloneDX 1.6, JSON (https://cyclonedx.org/docs/1.6/json/). It is made from what is in the layer and not from the lock,
which tells of other machines, too. The same layer gives the same bytes: it has no time in it.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from collections.abc import Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from supply.locks import LAYER, ROOT, Package, locked, normal

_NAMESPACE = uuid.UUID("8f4b2c0e-3f0d-5a43-9c38-6f6e5b1d2a77")
_REQUIRED = re.compile(r"^([A-Za-z0-9._-]+)(?!.*\bextra\s*==)")
_CLASSIFIED = "License :: OSI Approved :: "


def bill(site: Path) -> dict[str, Any]:
    """The bill of what is installed in a folder.

    Raises:
        ValueError: what is there is not what is locked, or a package does not say under which licence it is.
    """
    found = {normal(one.name): one for one in distributions(path=[str(site)])}
    there = {Package(name, one.version) for name, one in found.items()}
    if odd := there ^ set(locked([LAYER])):
        told = ", ".join(f"{one.name} {one.version}" for one in sorted(odd))
        raise ValueError(f"the layer and its lock are not the same: {told}")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    root = {
        "type": "application",
        "bom-ref": project["name"],
        "name": project["name"],
        "version": project["version"],
        "licenses": [{"expression": project["license"]}],
    }
    components = [_component(name, found[name]) for name in sorted(found)]
    dependencies = [{"ref": project["name"], "dependsOn": [one["bom-ref"] for one in components]}]
    dependencies += [{"ref": one["bom-ref"], "dependsOn": _requires(found, one["name"])} for one in components]
    content = {"metadata": {"component": root}, "components": components, "dependencies": dependencies}
    serial = uuid.uuid5(_NAMESPACE, json.dumps(content, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}", "version": 1}
    return head | content


def licences(one: Distribution) -> list[str]:
    """Under what a package is, in its own words: an SPDX expression, or names; none where it does not say."""
    if expressions := _told(one, "License-Expression"):
        return expressions
    classified = [text.removeprefix(_CLASSIFIED) for text in _told(one, "Classifier") if text.startswith(_CLASSIFIED)]
    # Some have the whole text in that field.
    return classified or [text for text in _told(one, "License") if len(text) <= 64 and "\n" not in text]


def _told(one: Distribution, field: str) -> list[str]:
    return [str(text) for text in one.metadata.get_all(field) or () if text]


def _component(name: str, one: Distribution) -> dict[str, Any]:
    told = licences(one)
    if not told:
        raise ValueError(f"{name} {one.version} does not say under which licence it is")
    if _told(one, "License-Expression"):
        named: list[dict[str, Any]] = [{"expression": told[0]}]
    else:
        named = [{"license": {"name": text}} for text in told]
    purl = f"pkg:pypi/{name}@{one.version}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": one.version,
        "purl": purl,
        "licenses": named,
    }


def _requires(found: dict[str, Distribution], name: str) -> list[str]:
    wanted = {normal(match[1]) for text in found[name].requires or () if (match := _REQUIRED.match(text))}
    return [f"pkg:pypi/{one}@{found[one].version}" for one in sorted(wanted & found.keys())]


def main(arguments: Sequence[str]) -> int:
    """Write the bill, and say what it holds."""
    site, file = map(Path, arguments)
    try:
        made = bill(site)
    except ValueError as error:
        print(f"no bill of materials: {error}", file=sys.stderr)
        return 1
    file.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    for one in made["components"]:
        told = ", ".join(entry.get("expression") or entry["license"]["name"] for entry in one["licenses"])
        print(f"  {one['name']} {one['version']}: {told}")
    print(f"The layer's {len(made['components'])} packages are listed in {file} (CycloneDX).")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
