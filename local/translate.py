"""Translates template.yaml into the CloudFormation that SAM makes of it, without an AWS account.

Tests and cfn-lint read the translation, because that is what is deployed.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

TEMPLATE = Path(__file__).parent.parent / "template.yaml"

_LOCAL_CODE = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


def translate(template: Path = TEMPLATE) -> dict[str, Any]:
    """Return the translated template with its parameters at their defaults.

    Raises samtranslator's InvalidDocumentException where SAM would refuse the template.
    """
    # The translator asks boto3 for its Region and partition, and for nothing else.
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    document = yaml_parse(template.read_text(encoding="utf-8"))
    for resource in document["Resources"].values():
        if code := _LOCAL_CODE.get(resource["Type"]):
            # `sam package` puts an S3 address here; the translator takes no local path.
            resource["Properties"][code] = {"Bucket": "packaged", "Key": resource["Properties"][code].strip("/")}
    defaults = {name: declared["Default"] for name, declared in document["Parameters"].items()}
    translated: dict[str, Any] = Translator({}, Parser()).translate(document, defaults)
    return translated


if __name__ == "__main__":
    # It warns of feature toggles that only its hosted edition has.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    json.dump(translate(), sys.stdout, indent=2)
