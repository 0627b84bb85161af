"""Verdicts as JUnit XML, the form in which build servers show tests: an image is a suite, a finding a failed case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET


def to_text(judged: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """A suite for each image; unknown is an error, never a passed case."""
    root = ET.Element("testsuites", name="ecr-rescan")
    for name, verdict in judged:
        cases = _cases(name, verdict)
        kinds = [kind for kind, _ in cases]
        suite = ET.SubElement(
            root,
            "testsuite",
            name=_plain(name),
            tests=str(len(cases)),
            failures=str(kinds.count("failure")),
            errors=str(kinds.count("error")),
            skipped=str(kinds.count("skipped")),
        )
        for kind, (title, message) in cases:
            case = ET.SubElement(suite, "testcase", classname=_plain(name), name=_plain(title))
            if kind != "passed":
                ET.SubElement(case, kind, message=_plain(message))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _cases(name: str, verdict: dict[str, Any]) -> list[tuple[str, tuple[str, str]]]:
    why = "; ".join(reason["message"] for reason in verdict["reasons"])
    cases = [
        ("failure", (f"{one['vulnerability']} {one['package']}", f"{one['severity']}, open since {one['since'][:10]}"))
        for one in verdict["new"]
    ]
    cases += [("skipped", (f"{one['vulnerability']} {one['package']}", one["reason"])) for one in verdict["ignored"]]
    if verdict["verdict"] == "unknown":
        cases.append(("error", ("verdict", why)))
    elif verdict["verdict"] == "pass":
        cases.append(("passed", ("verdict", why)))
    return cases


def _plain(text: str) -> str:
    """Text that XML 1.0 can hold."""
    return "".join(letter for letter in text if letter.isprintable())
