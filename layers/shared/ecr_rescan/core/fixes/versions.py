"""The orders of versions of Debian's dpkg, Alpine's apk and rpm: whether an installed version is below a fixed one.

A key sorts as the distribution's own tool orders; None is no version of that distribution. Sources: deb-version(7) and
Debian Policy 5.6.12; apk-package(5); rpm-version(7). Why not a library: ADR 0076.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

Key = tuple[Any, ...]

_LONGEST = 200
_DEBIAN = re.compile(r"(?:(\d{1,9}):)?([0-9A-Za-z.+~-]*?)(?:-([0-9A-Za-z.+~]+))?", re.ASCII)
_PAIR = re.compile(r"(\D*)(\d*)", re.ASCII)
_DEBIAN_END = ((0,), 0)

_APK = re.compile(
    r"(\d+)((?:\.\d+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)\d*)*)(?:~([0-9a-f]+))?(?:-r(\d+))?", re.ASCII
)
_APK_SUFFIX = re.compile(r"_([a-z]+)(\d*)", re.ASCII)
_APK_SUFFIXES = ("alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p")
_APK_PRE_RELEASES = 4
# A part of one kind stands above a part of another: 1.0_rc1 < 1.0 < 1.0-r1 < 1.0_p1 < 1.0a < 1.0.1.
_APK_PRE, _APK_END, _APK_REVISION, _APK_HASH, _APK_NUMBER, _APK_POST, _APK_LETTER, _APK_DIGITS = range(8)

_RPM = re.compile(r"(?:(\d{1,9}):)?([0-9A-Za-z._+~^]+)(?:-([0-9A-Za-z._+~^]+))?", re.ASCII)
_RPM_PART = re.compile(r"~|\^|\d+|[A-Za-z]+", re.ASCII)
_RPM_TILDE, _RPM_END, _RPM_CARET, _RPM_LETTERS, _RPM_DIGITS = range(5)


@lru_cache(maxsize=4096)
def dpkg_key(version: str) -> Key | None:
    """``[epoch:]upstream[-revision]``: a tilde before everything, even the end; letters before other characters."""
    found = _DEBIAN.fullmatch(version) if len(version) <= _LONGEST else None
    if found is None or not found[2] or found[2][-1] == "-":
        return None
    return int(found[1] or 0), _dpkg_part(found[2]), _dpkg_part(found[3] or "")


def _dpkg_part(text: str) -> Key:
    pairs = [(_dpkg_letters(letters), int(digits or 0)) for letters, digits in _PAIR.findall(text) if letters or digits]
    return (*(pairs or [_DEBIAN_END]), _DEBIAN_END)


def _dpkg_letters(text: str) -> tuple[int, ...]:
    return (*(-1 if char == "~" else ord(char) if char.isalpha() else ord(char) + 256 for char in text), 0)


@lru_cache(maxsize=4096)
def apk_key(version: str) -> Key | None:
    """``1.2.3[letter][_suffix[number]…][~hash][-rN]``, the suffixes of pre-releases below none."""
    found = _APK.fullmatch(version) if len(version) <= _LONGEST else None
    if found is None:
        return None
    first, others, letter, suffixes, commit, revision = found.groups()
    key: list[Key] = [(_APK_DIGITS, int(first))]
    # After the first, what begins with a zero is compared as a text, and is below what does not.
    key += [(_APK_DIGITS, *((0, part) if part[0] == "0" else (1, int(part)))) for part in others.split(".")[1:]]
    if letter:
        key.append((_APK_LETTER, letter))
    for name, number in _APK_SUFFIX.findall(suffixes):
        place = _APK_SUFFIXES.index(name)
        key.append((_APK_PRE if place < _APK_PRE_RELEASES else _APK_POST, place))
        if number:
            key.append((_APK_NUMBER, int(number)))
    if commit:
        key.append((_APK_HASH, commit))
    if revision is not None:
        key.append((_APK_REVISION, int(revision)))
    return (*key, (_APK_END,))


@lru_cache(maxsize=4096)
def rpm_key(version: str) -> Key | None:
    """``[epoch:]version[-release]``: a tilde before the end, a caret after it, digits above letters."""
    found = _RPM.fullmatch(version) if len(version) <= _LONGEST else None
    if found is None:
        return None
    return int(found[1] or 0), _rpm_part(found[2]), _rpm_part(found[3] or "")


def _rpm_part(text: str) -> Key:
    return (*(_rpm_segment(part) for part in _RPM_PART.findall(text)), (_RPM_END,))


def _rpm_segment(part: str) -> Key:
    if part == "~":
        return (_RPM_TILDE,)
    if part == "^":
        return (_RPM_CARET,)
    return (_RPM_DIGITS, int(part)) if part.isdigit() else (_RPM_LETTERS, part)


Order = Callable[[str], Key | None]


def below(order: Order, version: str, bound: str) -> bool | None:
    """Whether a version is below a bound; None where one of them is no version.

    ECR leaves epochs out (zlib 1.3.dfsg+really1.3.1-1 is 1:1.3.dfsg… in Debian): a version without one is taken to
    have the bound's. Where that is wrong, the bound is seen as reached, which is a contradiction and no answer.
    """
    own, other = order(version), order(bound)
    if own is None or other is None:
        return None
    if own[0] == 0 and order is not apk_key and ":" not in version:
        return own[1:] < other[1:]
    return own < other
