"""A summary for whoever may see findings, but not how the service reaches a registry."""

from __future__ import annotations

import re
from dataclasses import replace

from ecr_rescan.core.summary.summary import ConfigurationSummary, ImageSummary, Problem, Summary

# An error of AWS as the service tells it, "AccessDeniedException: User: arn:aws:sts::…": after the code come names of
# roles, accounts and policies.
_MESSAGE = re.compile(r"\b([A-Z][a-z]+[A-Z]\w*): .*", re.DOTALL | re.ASCII)
_ARN = re.compile(r"\barn:\S+")


def codes_alone(summary: Summary) -> Summary:
    """The same with AWS's error codes, and without its messages."""
    return replace(
        summary,
        configurations=tuple(_configuration(one) for one in summary.configurations),
        problems=tuple(Problem(one.key, _told(one.problem)) for one in summary.problems),
    )


def _configuration(one: ConfigurationSummary) -> ConfigurationSummary:
    return replace(
        one,
        problems=tuple(_told(problem) for problem in one.problems),
        images=tuple(_image(image) for image in one.images),
    )


def _image(image: ImageSummary) -> ImageSummary:
    told = _told(image.status.reason)
    return image if told == image.status.reason else replace(image, status=replace(image.status, reason=told))


def _told(text: str) -> str:
    return _ARN.sub("(an ARN)", _MESSAGE.sub(r"\1", text))
