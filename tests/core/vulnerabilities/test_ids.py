"""Ids as people type and paste them."""

from __future__ import annotations

import pytest

from ecr_rescan.core.vulnerabilities.ids import read_id


@pytest.mark.parametrize(
    "text",
    [
        "CVE-2026-1234",
        "cve-2026-1234",
        " cve 2026 1234\n",
        "2026-1234",
        "CVE\u20112026\u20111234",
        "CVE\u00a02026\u00a01234",
        "CVE\u20132026\u22121234",
        "CVE-20\u00ad26-1234",
        "\uff23\uff36\uff25-2026-1234",
        "CVE_2026_1234",
    ],
)
def test_any_spelling_of_an_id_is_read(text: str) -> None:
    """Letter case, spaces, dashes of all kinds, and what can't be seen."""
    assert read_id(text) == "CVE-2026-1234"


@pytest.mark.parametrize(
    "text", ["GHSA-JFH8-C2JP-5V3Q", "ALAS2-2023-1234", "RHSA-2023:1234", "TEMP-0000000-A1B2C3", "DSA-5432-1"]
)
def test_ids_of_every_source_are_read(text: str) -> None:
    """Whoever gave them."""
    assert read_id(text) == text


@pytest.mark.parametrize("text", ["", "openssl", "libssl-dev", "2026", "-1", "CVE-" + "1" * 300, "<b>-1", "1-2", "CVE"])
def test_what_can_t_be_an_id_is_none(text: str) -> None:
    """It would be found nowhere, and that would be believed."""
    assert read_id(text) is None
