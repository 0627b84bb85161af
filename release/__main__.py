"""``python -m release BUILT DIST ARCHITECTURE``: pack a build of `make build` into a release of its own.

What it writes into ``DIST/ecr-rescan-VERSION-ARCHITECTURE/`` is one archive for each function and the layer, named by
their content, the template that deploys them from a bucket, the bill of materials, and the SHA-256 sums of all. The
same build gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parent.parent
_CODE = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
_WHERE = {
    "CodeBucket": {
        "Description": "Bucket of this Region that holds the archives of this release.",
        "Type": "String",
        "AllowedPattern": "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
    },
    "CodePrefix": {
        "Description": "What their keys begin with, such as ecr-rescan/. Empty = nothing.",
        "Type": "String",
        "Default": "",
        "AllowedPattern": "^$|^[A-Za-z0-9!_.*'()/-]*/$",
        "ConstraintDescription": "must end with a slash, or be empty",
    },
}


def version() -> str:
    """The version of this checkout."""
    told: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return told


def pack(built: Path, folder: Path, architecture: str) -> list[Path]:
    """Write a release; its files.

    Args:
        built: what `make build` wrote: ``build/`` with a folder for each function and the layer, and the bill.
        folder: is written anew.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    template = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    for name, resource in template["Resources"].items():
        if member := _CODE.get(resource["Type"]):
            archive = _archive(built / "build" / name, folder, name)
            key = {"Fn::Sub": f"${{CodePrefix}}{archive.name}"}
            resource["Properties"][member] = {"Bucket": {"Ref": "CodeBucket"}, "Key": key}
            resource.pop("Metadata", None)
    _settle(template, architecture)
    (folder / "template.json").write_text(_written(template), encoding="utf-8")
    shutil.copyfile(built / "sbom.cdx.json", folder / "sbom.cdx.json")
    files = sorted(folder.iterdir())
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    (folder / "SHA256SUMS").write_text(sums, encoding="utf-8")
    return [*files, folder / "SHA256SUMS"]


def _settle(template: dict[str, Any], architecture: str) -> None:
    """Say where the code is, and that it is for one kind of processor."""
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    groups.insert(0, {"Label": {"default": "This release"}, "Parameters": list(_WHERE)})
    # Its licence and readme would be files beside it, and the repository takes the template of `sam package`.
    del template["Metadata"]["AWS::ServerlessRepo::Application"]
    template["Parameters"] = _WHERE | template["Parameters"]
    template["Parameters"]["Architecture"] |= {"Default": architecture, "AllowedValues": [architecture]}
    template["Description"] += f" Version {version()}."


def _written(template: dict[str, Any]) -> str:
    return json.dumps(template, separators=(",", ":")) + "\n"


def _archive(source: Path, folder: Path, name: str) -> Path:
    """Pack a folder; the archive's name tells its content, so that a stack changes where, and only where, that does."""
    made = folder / "archive"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in sorted(path for path in source.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(source).as_posix(), (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, path.read_bytes(), compresslevel=9)
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    return made.rename(folder / f"{name}-{digest[:16]}.zip")


def main(arguments: Sequence[str]) -> int:
    """Pack, and say what was made."""
    built, dist, architecture = arguments
    folder = Path(dist) / f"ecr-rescan-{version()}-{architecture}"
    for path in pack(Path(built), folder, architecture):
        print(f"{path.stat().st_size:>12,}  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
