"""What ECR's names look like: accepted, refused, and defined once."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecr_rescan.core import shapes
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.errors import InvalidConfigurationError
from tests.builders import AT, CONFIG_ID

ROOT = Path(__file__).parents[2]
CODE = sorted(
    path
    for room in ("layers/shared/ecr_rescan", "functions", "contract", "cli")
    for path in (ROOT / room).rglob("*.py")
    if path.name != "shapes.py"
)
HEX = "0123456789abcdef" * 4

# Regions: every partition of botocore's endpoints. Names: the examples and patterns of the ECR API reference.
ACCEPTED = {
    "REGION": [
        "us-east-1",
        "ap-southeast-7",
        "us-gov-west-1",
        "cn-northwest-1",
        "us-iso-east-1",
        "us-isob-east-1",
        "us-isof-south-1",
        "eu-isoe-west-1",
        "eusc-de-east-1",
        "mx-central-1",
        "xx-somewhere-10",
    ],
    "REGISTRY": ["123456789012", "000000000000"],
    "DIGEST": [f"sha256:{HEX}"],
    "REPOSITORY": [
        "ab",
        "team/app",
        "a.b/c_d",
        "a__b",
        "a--b/c---d",
        "0/1",
        "ecr-public/docker/library/nginx",
        "x" * 256,
    ],
    "TAG": ["v1.2.3", "latest", "_x", "A", "1", "a" * 300, "2026-03-02T08.00"],
    "REFERRER_TAG": [f"sha256-{HEX}", f"sha256-{HEX}.sig", f"sha256-{HEX}.att"],
}
REFUSED = {
    "REGION": [
        "eu-west",
        "eu-west-x",
        "EU-west-1",
        "eu--west-1",
        "euro5-de-east-1",
        "us-east-1\n",
        "us-east-1/..",
        "u-e-1",
        "",
    ],
    "REGISTRY": ["12345678901", "1234567890123", "12345678901a", "١٢٣٤٥٦٧٨٩٠١٢", "123456789012\n", ""],
    "DIGEST": [f"sha256:{HEX[1:]}", f"sha256:{HEX}0", f"sha512:{HEX}", f"sha256:{HEX.upper()}", HEX, f"sha256:{HEX}\n"],
    "REPOSITORY": [
        *("a", "x" * 257, "Team/app", "/team/app", "team/app/", "team//app", "-app", "app-", "a..b", "a___b", "a._b"),
        *("a b", "é", "ab\n", "team/.app", "../app", "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/app:1", ""),
    ],
    "TAG": ["-v1", ".v1", "v 1", "a" * 301, "é", "a\n", "a/b", ""],
    "REFERRER_TAG": ["latest", f"sha256-{HEX[1:]}", f"sha256:{HEX}"],
}


@pytest.mark.parametrize(("shape", "name"), [(shape, name) for shape, names in ACCEPTED.items() for name in names])
def test_what_is_accepted(shape: str, name: str) -> None:
    """Every name that ECR has."""
    assert getattr(shapes, shape).fullmatch(name)


@pytest.mark.parametrize(("shape", "name"), [(shape, name) for shape, names in REFUSED.items() for name in names])
def test_what_is_refused(shape: str, name: str) -> None:
    """Everything else, however near."""
    assert not getattr(shapes, shape).fullmatch(name)


@pytest.mark.parametrize("region", ACCEPTED["REGION"])
def test_a_configuration_and_an_event_accept_the_same_regions(region: str) -> None:
    """What a person may ask for, events may come from; see the table of events for theirs."""
    body = {"region": region, "registry": "123456789012", "repository": "team/app"}
    assert ScanConfiguration.from_wire(body, id=CONFIG_ID, now=AT).region == region
    with pytest.raises(InvalidConfigurationError):
        ScanConfiguration.from_wire(body | {"region": f"{region}x"}, id=CONFIG_ID, now=AT)


_WORD_OR_ID = ("anything", "GHSA-jfh8-c2jp-5v3q")
_TAKEN_BY_OTHERS = {
    "REGION": _WORD_OR_ID,
    "REGISTRY": (*_WORD_OR_ID, "1.2.3"),
    "DIGEST": _WORD_OR_ID,
    "REFERRER_TAG": _WORD_OR_ID,
}


def literals(source: str) -> Iterator[str]:
    """The texts of a module that may be regular expressions; of an f-string its fixed parts."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"[\[\\]", node.value):
            yield node.value


def second_definitions(source: str) -> list[str]:
    """The regular expressions of a module that tell the names of a shape from what is near, or hold such a part."""
    found = []
    for text in literals(source):
        try:
            expression = re.compile(text.removeprefix("^").removesuffix("$"))
        except re.error:
            continue
        tells = [
            shape
            for shape, names in ACCEPTED.items()
            if all(map(expression.fullmatch, names))
            and not all(map(expression.fullmatch, REFUSED[shape]))
            # What is not made for one of them takes any printable text, an id or a word.
            and not any(map(expression.fullmatch, _TAKEN_BY_OTHERS.get(shape, ("..",))))
        ]
        parts = re.findall(r"(?:\\d|\[0-9\])\{12\}|\{64\}|\{0,299\}|\{2,256\}|sha256[:-]", text)
        if tells or parts:
            found.append(text)
    return found


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_shape_is_defined_a_second_time(path: Path) -> None:
    """One definition of each, in ``core/shapes.py``: two would drift apart, and in some Region no event be accepted."""
    assert second_definitions(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "second",
    [
        r'R = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-[0-9]+")',
        r'R = re.compile(r"[a-z-]+-\d+", re.ASCII)',
        r'R = re.compile(r"\d{12}")',
        r'R = re.compile(r"[0-9]+")',
        r'R = f"arn:aws:iam::[0-9]{{12}}:role/{NAME}"',
        r'R = text(pattern="^sha256:[0-9a-f]{64}$")',
        r'R = re.compile(r"sha256-[0-9a-f]+(\.[a-z]+)?")',
        r'R = re.compile(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*")',
        r'R = re.compile(r"\w[\w.-]*", re.ASCII)',
    ],
)
def test_a_second_definition_is_found(second: str) -> None:
    """The rule above does bite."""
    assert second_definitions(second)
