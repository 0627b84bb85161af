"""What the makefiles put into the artefacts is what the code needs. (`make e2e` runs the artefacts themselves.)"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local.functions import PROJECT

LAYER = PROJECT / "layers" / "shared"
FUNCTIONS = [folder for folder in sorted((PROJECT / "functions").iterdir()) if (folder / "app.py").exists()]


def test_the_layer_keeps_the_services_that_are_called() -> None:
    """A client of a service whose description was left out of the layer can't be made in production."""
    (kept,) = re.findall(r"^SERVICES = (.+)$", (LAYER / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    sources = "".join(path.read_text(encoding="utf-8") for path in (LAYER / "ecr_rescan").rglob("*.py"))
    called = set(re.findall(r"""client\(\s*["'](\w+)["']""", sources))
    assert called == set(kept.split())


@pytest.mark.parametrize("folder", FUNCTIONS, ids=lambda folder: folder.name)
def test_a_function_s_makefile_copies_all_that_it_is(folder: Path) -> None:
    """A file that a function opens and its makefile forgets is missing in production."""
    (copied,) = re.findall(
        r"^\tcp (.+) \"\$\(ARTIFACTS_DIR\)/\"$", (folder / "Makefile").read_text("utf-8"), re.MULTILINE
    )
    here = {path.name for path in folder.iterdir() if path.name not in ("Makefile", "__pycache__", "__init__.py")}
    assert set(copied.split()) == here


def test_the_layer_s_makefile_takes_wheels_only_but_for_feedgen() -> None:
    """Everything else that had to be built would be built for the wrong machine."""
    text = (LAYER / "Makefile").read_text(encoding="utf-8")
    assert "--only-binary=:all: --no-binary=feedgen" in text
    assert "--require-hashes" in text


def test_the_layer_has_nothing_that_every_cold_start_would_pay_for() -> None:
    """pydantic takes 0.15 s to import, the X-Ray SDK 0.3 s. A feedgen before 1.0 is what pip finds as a wheel."""
    text = (LAYER / "requirements.txt").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([\w-]+)==([\w.]+)", text, re.MULTILINE))
    assert {"boto3", "botocore", "aws-lambda-powertools", "feedgen", "lxml"} <= set(locked)
    assert not {"pydantic", "pydantic-core", "aws-xray-sdk"} & set(locked)
    assert int(locked["feedgen"].partition(".")[0]) >= 1
