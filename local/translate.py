"""Translates template.yaml into the CloudFormation that SAM makes of it, without an AWS account.

Tests and cfn-lint read the translation, because that is what is deployed. Run with a folder, it writes there what
becomes of the template in a Region of each partition, with all parameters at their defaults and with all set.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.arn_generator import ArnGenerator
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from local.parameters import PARTITIONS, every

TEMPLATE = Path(__file__).parent.parent / "template.yaml"

_LOCAL_CODE = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


def translate(
    template: Path = TEMPLATE, *, region: str = "us-east-1", values: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the translated template, with these values as its parameters' defaults.

    Raises samtranslator's InvalidDocumentException where SAM would refuse the template.
    """
    document = yaml_parse(template.read_text(encoding="utf-8"))
    for name, value in (values or {}).items():
        declared = document["Parameters"][name]
        declared["Default"] = int(value) if declared["Type"] == "Number" else value
    for resource in document["Resources"].values():
        if code := _LOCAL_CODE.get(resource["Type"]):
            # `sam package` puts an S3 address here; the translator takes no local path.
            resource["Properties"][code] = {"Bucket": "packaged", "Key": resource["Properties"][code].strip("/")}
    defaults = {name: declared["Default"] for name, declared in document["Parameters"].items()}
    session = boto3.Session(region_name=region)
    # The translator asks boto3 for its Region and partition, and for nothing else; it would keep the first one.
    with mock.patch.object(ArnGenerator, "BOTO_SESSION_REGION_NAME", region):
        translated: dict[str, Any] = Translator({}, Parser(), boto_session=session).translate(document, defaults)
    return translated


def write_all(folder: Path) -> None:
    """Write ``REGION-unset.json`` and ``REGION-set.json`` of each partition's Region."""
    folder.mkdir(parents=True, exist_ok=True)
    for region in PARTITIONS:
        for name, values in (("unset", None), ("set", every(region))):
            text = json.dumps(translate(region=region, values=values), indent=2)
            (folder / f"{region}-{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    # It warns of feature toggles that only its hosted edition has.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    write_all(Path(sys.argv[1]))
