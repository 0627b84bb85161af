"""A vulnerability's id as people type and paste it: ``cve 2026 1234``, ``2026-1234``, with non-breaking hyphens."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 256
PATTERN = r"[A-Za-z][A-Za-z0-9]*-[A-Za-z0-9._:-]*[0-9][A-Za-z0-9._:-]*"
"""CVE-2026-1234, GHSA-jfh8-c2jp-5v3q, ALAS2-2023-1234, RHSA-2023:1234: a source, and something with a digit in it."""

_ID = re.compile(PATTERN)
# Hyphens and dashes of every length, and the minus sign; a soft hyphen and what else can't be seen falls out.
_DASHES = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d_]")
_CVE = re.compile(r"[0-9]{4}-[0-9]{4,}")


def read_id(text: str) -> str | None:
    """The id that is meant, in capitals; None for what can't be one."""
    text = _DASHES.sub("-", unicodedata.normalize("NFKC", text[: 2 * LONGEST]))
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    text = "-".join(text.replace("-", " ").split()).upper()
    if _CVE.fullmatch(text):
        text = f"CVE-{text}"
    return text if len(text) <= LONGEST and _ID.fullmatch(text) else None
