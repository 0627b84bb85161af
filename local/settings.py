"""The variables of ``make run``, checked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DAY_IN_TWO_MINUTES = 720.0
TICK_VIRTUAL_SECONDS = 300.0


class SettingError(Exception):
    """A variable is malformed; the message names it and says what is accepted."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run the local stack; ``tick_seconds`` is real, ``scan_seconds`` virtual."""

    api_port: int
    aws_port: int
    samples: bool
    clock_speed: float
    tick_seconds: float
    scan_seconds: float
    verbose: bool

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read API_PORT, AWS_PORT, SAMPLES, CLOCK_SPEED, TICK_SECONDS, SCAN_SECONDS, LOG; SettingError for nonsense."""
        samples = _flag(environment, "SAMPLES", True)
        clock_speed = _number(environment, "CLOCK_SPEED", DAY_IN_TWO_MINUTES if samples else 1.0, 100_000)
        settings = cls(
            api_port=_port(environment, "API_PORT", 3000),
            aws_port=_port(environment, "AWS_PORT", 4566),
            samples=samples,
            clock_speed=clock_speed,
            tick_seconds=_number(environment, "TICK_SECONDS", TICK_VIRTUAL_SECONDS / clock_speed, 86_400),
            scan_seconds=_number(environment, "SCAN_SECONDS", 60.0, 86_400),
            verbose=_flag(environment, "LOG", False),
        )
        if settings.api_port == settings.aws_port:
            raise SettingError(f"API_PORT and AWS_PORT are both {settings.api_port}; they must differ")
        return settings


def _flag(environment: Mapping[str, str], name: str, default: bool) -> bool:
    text = environment.get(name) or ("1" if default else "0")
    if text not in ("0", "1"):
        raise SettingError(f"{name}: must be 0 or 1, not {text!r}")
    return text == "1"


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise SettingError(f"{name}: must be a port from 1 to 65535, not {text!r}")
    return int(text)


def _number(environment: Mapping[str, str], name: str, default: float, most: float) -> float:
    text = environment.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= most:
        raise SettingError(f"{name}: must be a number above 0, at most {most:g}, not {text!r}")
    return value
