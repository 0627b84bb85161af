"""A person's words in ASCII, readable, for where nothing else is taken: the subject of a mail.

Letters become what they are nearest to; kana and hangul their sounds, by their names in Unicode; pictures their names;
text in other scripts is named. It takes no library (ADR 62). The words themselves stay whole in the body.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby

_LETTERS = {
    **{"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"},
    **{"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "ħ": "h", "Ħ": "H", "ŋ": "n"},
    **{"‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-", "•": "*", "·": "*", "×": "x", "→": "->"},
    **{"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‹": "'", "›": "'"},
    **{"、": ",", "。": ".", "「": '"', "」": '"', "『": '"', "』": '"', "・": "*", "€": "EUR", "£": "GBP", "⁄": "/"},
}
_SOUND = re.compile(r"(?:(?:KATAKANA|HIRAGANA) LETTER (?P<small>SMALL )?|HANGUL SYLLABLE )(?P<sound>[A-Z]+)")
_LENGTHENED = "ー"
_LONGEST_NAME = 40


def readable_ascii(text: str) -> str:
    """The text in printable ASCII, on one line."""
    words = []
    for kind, run in groupby(unicodedata.normalize("NFKC", text), _kind):
        words.append(kind[1:] if kind.startswith("=") else _KINDS[kind](run))
    return " ".join("".join(words).split())


def _kind(letter: str) -> str:
    """What is done with a character, together with its neighbours of one kind; ``=`` begins what stands for them."""
    if " " <= letter <= "~":
        return "ascii"
    category = unicodedata.category(letter)
    if letter.isspace() or category in ("Cc", "Zl", "Zp"):
        return "space"
    # Marks, joiners and selectors change how the letter before them looks.
    if category in ("Mn", "Me", "Mc", "Cf", "Sk", "Cs", "Co", "Cn"):
        return "dropped"
    if letter in _LETTERS or _plain(letter):
        return "latin"
    if letter == _LENGTHENED or _SOUND.fullmatch(unicodedata.name(letter, "")):
        return "sounds"
    if category.startswith("L"):
        script = unicodedata.name(letter, "foreign").split(maxsplit=1)[0].split("-")[0]
        return f"=[{script if script == 'CJK' else script.capitalize()} text]"
    return "named"


def _plain(letter: str) -> str:
    """A letter without its accents; nothing where that is no ASCII."""
    parts = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    return parts if parts.isascii() else ""


def _latin(run: Iterator[str]) -> str:
    return "".join(_LETTERS.get(letter) or _plain(letter) for letter in run)


def _sounds(run: Iterator[str]) -> str:
    """Kana and hangul by the sounds that are their names: チーム is "tiimu", 한국 is "hangug"."""
    sounds = ""
    for letter in run:
        found = _SOUND.fullmatch(unicodedata.name(letter, ""))
        if found is None:
            sounds += sounds[-1:]
        elif found["small"] and found["sound"] in ("YA", "YU", "YO") and sounds.endswith("i"):
            sounds = sounds[:-1] + found["sound"].lower()
        else:
            sounds += found["sound"].lower()
    return sounds


def _named(run: Iterator[str]) -> str:
    """Pictures and signs, each by its name."""
    return "".join(f"[{unicodedata.name(sign, 'sign').lower()[:_LONGEST_NAME]}]" for sign in run)


_KINDS = {
    "ascii": "".join,
    "space": lambda run: " ",
    "dropped": lambda run: "",
    "latin": _latin,
    "sounds": _sounds,
    "named": _named,
}
