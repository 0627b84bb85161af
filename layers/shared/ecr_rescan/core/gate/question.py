"""What the gate is asked: which image, and what counts against it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from ecr_rescan.core import keys, shapes
from ecr_rescan.core.errors import Fault, InvalidRequestError
from ecr_rescan.core.severity import RATED, Severity

PARAMETERS = ("image", "configuration", "severity", "fixable", "compared_to", "max_age")
DEFAULT_SEVERITY = Severity.HIGH
DEFAULT_MAX_AGE = timedelta(hours=24, minutes=10)
"""The promise: no selected image's result is older."""

LONGEST_MAX_AGE = timedelta(days=30)
LONGEST_IMAGE = 700

# The forms of a registry's host name (Amazon ECR User Guide, "Private registries"; its endpoints, FIPS and dual-stack
# ones included). A registry may also be named as everywhere else here, by its account.
_HOST = re.compile(rf"({shapes.REGISTRY.pattern})\.dkr[.-]ecr(?:-fips)?\.({shapes.REGION.pattern})\.[a-z.-]+")
_AGE = re.compile(r"(?:(\d{1,3})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?", re.ASCII)

_IMAGE_FORM = (
    "must name an image, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app@sha256:… or team/app:1.4; "
    "a tag or a digest is required"
)


@dataclass(frozen=True, slots=True)
class ImageName:
    """An image as people name it. A digest wins over a tag; ``registry`` and ``region`` are None where they are left
    to the configurations."""

    repository: str
    tag: str | None
    digest: str | None
    registry: str | None = None
    region: str | None = None

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}" if self.digest else f"{self.repository}:{self.tag}"


@dataclass(frozen=True, slots=True)
class Question:
    """May this image go on?

    Attributes:
        configuration: the id of the one configuration whose suppressions apply; None for all that select the image.
        severity: the least severe that counts. Unrated findings don't, and are told.
        fixable: whether only findings count for which a fix is known.
        compared_to: a tag of the same repository: what the image that holds it has, too, does not count.
        max_age: how old a result may be.
    """

    image: ImageName
    configuration: str | None = None
    severity: Severity = DEFAULT_SEVERITY
    fixable: bool = False
    compared_to: str | None = None
    max_age: timedelta = DEFAULT_MAX_AGE

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Question:
        """Read the parameters of a request; InvalidRequestError with everything that is wrong with them."""
        faults: list[Fault] = []
        image = _image(query.get("image"), faults)
        configuration = query.get("configuration")
        if configuration is not None and not keys.is_configuration_id(configuration):
            faults.append(Fault("configuration", "must be the id of a configuration"))
        severity = query.get("severity", DEFAULT_SEVERITY).upper()
        if severity not in RATED:
            faults.append(Fault("severity", f"must be one of {', '.join(RATED)}"))
        fixable = query.get("fixable", "false")
        if fixable not in ("true", "false"):
            faults.append(Fault("fixable", "must be true or false"))
        compared_to = query.get("compared_to")
        if compared_to is not None and not shapes.TAG.fullmatch(compared_to):
            faults.append(Fault("compared_to", "must be a tag"))
        max_age = _max_age(query.get("max_age"), faults)
        if faults or image is None:
            raise InvalidRequestError("; ".join(f"{fault.field}: {fault.problem}" for fault in faults), faults)
        return cls(image, configuration, Severity(severity), fixable == "true", compared_to, max_age)


def _image(text: str | None, faults: list[Fault]) -> ImageName | None:
    named = parse_image(text) if text is not None and len(text) <= LONGEST_IMAGE else None
    if named is None:
        faults.append(Fault("image", _IMAGE_FORM))
    return named


def parse_image(text: str) -> ImageName | None:
    """Read an image's name; None where it is none."""
    text, at, digest = text.removeprefix("https://").partition("@")
    if at and not shapes.DIGEST.fullmatch(digest):
        return None
    registry = region = None
    first, slash, rest = text.partition("/")
    if slash and (host := _HOST.fullmatch(first)):
        registry, region, text = host[1], host[2], rest
    elif slash and shapes.REGISTRY.fullmatch(first):
        registry, text = first, rest
    repository, colon, tag = text.partition(":")
    if not shapes.REPOSITORY.fullmatch(repository) or (colon and not shapes.TAG.fullmatch(tag)) or not (tag or digest):
        return None
    return ImageName(repository, tag or None, digest or None, registry, region)


def parse_age(text: str) -> timedelta | None:
    """``2d``, ``24h10m``, ``90m``; None for anything else."""
    found = _AGE.fullmatch(text)
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes)


def _max_age(text: str | None, faults: list[Fault]) -> timedelta:
    if text is None:
        return DEFAULT_MAX_AGE
    age = parse_age(text)
    if age is None or not timedelta(minutes=1) <= age <= LONGEST_MAX_AGE:
        faults.append(Fault("max_age", "must be a time from 1m to 30d, such as 24h10m"))
        return DEFAULT_MAX_AGE
    return age
