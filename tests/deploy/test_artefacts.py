"""What the makefiles put into the artefacts is what the code needs. (`make e2e` runs the artefacts themselves.)"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.session import Session

from local.functions import PROJECT

LAYER = PROJECT / "layers" / "shared"
FUNCTIONS = [folder for folder in sorted((PROJECT / "functions").iterdir()) if (folder / "app.py").exists()]


def test_the_layer_keeps_the_services_that_are_called() -> None:
    """A client of a service whose description was left out of the layer can't be made in production."""
    (kept,) = re.findall(r"^SERVICES = (.+)$", (LAYER / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    sources = "".join(path.read_text(encoding="utf-8") for path in (LAYER / "ecr_rescan").rglob("*.py"))
    called = set(re.findall(r"""client\(\s*["'](\w+)["']""", sources))
    assert called == set(kept.split())


def shapes(data: Path, service: str) -> Any:
    """All that botocore makes a client from, without what people read."""
    session = Session()
    session.get_component("data_loader").search_paths[:] = [str(data)]
    client = session.create_client(service, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")

    def bare(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: bare(one) for name, one in part.items() if name != "documentation" or isinstance(one, dict)}
        return [bare(one) for one in part] if isinstance(part, list) else part

    model = session.get_component("data_loader").load_service_model(service, "service-2")
    return json.dumps(bare(model), sort_keys=True), client.meta.endpoint_url, session.get_available_regions(service)


def test_trimming_leaves_everything_that_clients_are_made_from(tmp_path: Path) -> None:
    """Operations, shapes and endpoints are those of the untrimmed botocore; most of the bytes are gone."""
    whole = Path(botocore.__file__).parent / "data"
    services = ("ecr", "s3", "sns", "sqs", "sts")
    for service in services:
        shutil.copytree(whole / service, tmp_path / service)
    for path in whole.glob("*.json"):
        shutil.copy(path, tmp_path)
    subprocess.run([sys.executable, LAYER / "trim.py", tmp_path], check=True)
    assert [shapes(tmp_path, service) for service in services] == [shapes(whole, service) for service in services]
    assert (tmp_path / "endpoints.json").stat().st_size < (whole / "endpoints.json").stat().st_size / 10


@pytest.mark.parametrize("folder", FUNCTIONS, ids=lambda folder: folder.name)
def test_a_function_s_makefile_copies_all_that_it_is(folder: Path) -> None:
    """A file that a function opens and its makefile forgets is missing in production."""
    (copied,) = re.findall(
        r"^\tcp (.+) \"\$\(ARTIFACTS_DIR\)/\"$", (folder / "Makefile").read_text("utf-8"), re.MULTILINE
    )
    here = {path.name for path in folder.iterdir() if path.name not in ("Makefile", "__pycache__", "__init__.py")}
    assert set(copied.split()) == here


def test_the_layer_s_build_fetches_nothing_without_its_hash(tmp_path: Path) -> None:
    """Wheels only but for feedgen, and what builds that comes by hash as well, not as pip finds it."""
    command = ["make", "-n", "build-SharedLayer", f"ARTIFACTS_DIR={tmp_path}"]
    planned = subprocess.run(command, cwd=LAYER, capture_output=True, text=True, check=True).stdout
    steps = planned.replace("\\\n", " ").splitlines()
    builder, packages = [line for line in steps if " pip install " in line]
    assert all(
        {"--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(line.split()) for line in (builder, packages)
    )
    assert {"--no-build-isolation", "--use-pep517", "--no-binary=feedgen"} <= set(packages.split())
    target = re.findall(r'--target "(.+?)"', builder)[0]
    assert packages.startswith(f'PYTHONPATH="{target}" ')
    assert "--requirement build.txt" in builder
    assert re.search(r"^setuptools==\S+ \\\n    --hash=sha256:", (LAYER / "build.txt").read_text("utf-8"), re.MULTILINE)


def test_the_layer_has_nothing_that_every_cold_start_would_pay_for() -> None:
    """pydantic takes 0.15 s to import, the X-Ray SDK 0.3 s. A feedgen before 1.0 is what pip finds as a wheel."""
    text = (LAYER / "requirements.txt").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([\w-]+)==([\w.]+)", text, re.MULTILINE))
    assert {"boto3", "botocore", "aws-lambda-powertools", "feedgen", "lxml"} <= set(locked)
    assert not {"pydantic", "pydantic-core", "aws-xray-sdk"} & set(locked)
    assert int(locked["feedgen"].partition(".")[0]) >= 1
