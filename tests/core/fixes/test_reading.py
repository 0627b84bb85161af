"""Every record of the samples is read, or refused with its reason; and so is what nobody should send."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ecr_rescan.core.errors import SignalError
from ecr_rescan.core.fixes.alas import read_mirror, read_repomd, read_updateinfo
from ecr_rescan.core.fixes.distributions import ALPINE, DEBIAN, UBUNTU, Distribution
from ecr_rescan.core.fixes.osv import of_id, read_changes, read_osv
from tests.fix_records import ADVISORIES, DATA, osv_bodies

READ = {"Debian/DEBIAN-", "Ubuntu/UBUNTU-", "Alpine/ALPINE-", "rebuilt/Debian/DEBIAN-", "rebuilt/Alpine/ALPINE-"}


@pytest.mark.parametrize("file", osv_bodies())
def test_every_record_is_read_or_refused(file: str) -> None:
    """What has an object for each vulnerability is read; advisories and other distributions are named as such."""
    body = osv_bodies()[file]
    wire = json.loads(body)
    if any(file.startswith(start) for start in READ):
        distribution, vulnerability = of_id(wire["id"])
        record = read_osv(distribution, vulnerability, body)
        assert set(record.packages) == {entry["package"]["name"] for entry in wire.get("affected", [])}
        assert record.withdrawn is ("withdrawn" in wire)
    else:
        with pytest.raises(SignalError, match="no record of one vulnerability"):
            of_id(wire.get("id") if isinstance(wire, dict) else None)


def test_every_file_of_advisories_is_read_or_refused() -> None:
    """updateinfo.xml is read; feeds name no versions, and other files are none."""
    reasons = {}
    for path in [*DATA.glob("al2*"), DATA / "repomd.xml"]:
        try:
            reasons[path.name] = str(read_updateinfo([path.read_bytes()], "2", set())[0])
        except SignalError as error:
            reasons[path.name] = error.problem
    assert reasons == {
        **dict.fromkeys(ADVISORIES, "1"),
        "al2.rss.xml": "has no advisories",
        "al2023.rss.xml": "has no advisories",
        "repomd.xml": "has no advisories",
        "al2023-2025-935.parsed.json": "sent something else than XML",
    }


def entry(**changes: Any) -> dict[str, Any]:
    base = {
        "package": {"ecosystem": "Debian:12", "name": "pkg"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1-1"}]}],
    }
    return base | changes


def osv(*affected: object, **changes: Any) -> bytes:
    return json.dumps({"id": "DEBIAN-CVE-2026-1", "affected": list(affected)} | changes).encode()


def test_an_entry_is_read() -> None:
    """The form that the refused ones below differ from in one thing."""
    record = read_osv(DEBIAN, "CVE-2026-1", osv(entry()))
    assert record.packages["pkg"]["12"][0].fixed == "1.1-1"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"id": "DEBIAN-CVE-2026-1", "affected": [{"pack',
        osv(entry(), id="DEBIAN-CVE-2026-2"),
        osv(entry(), id="UBUNTU-CVE-2026-1"),
        osv(affected={}),
        osv("x"),
        osv(entry(package="pkg")),
        osv(entry(package={"ecosystem": "Debian:12"})),
        osv(entry(package={"ecosystem": "Debian:12", "name": "p\nkg"})),
        osv(entry(package={"ecosystem": "Debian:12", "name": "p" * 201})),
        osv(entry(package={"ecosystem": 12, "name": "pkg"})),
        osv(entry(ranges={})),
        osv(entry(ranges=["x"])),
        osv(entry(ranges=[{"type": "ECOSYSTEM"}])),
        osv(entry(ranges=[{"type": "ECOSYSTEM", "events": ["x"]}])),
        osv(entry(ranges=[{"type": "ECOSYSTEM", "events": [{}]}])),
        osv(entry(ranges=[{"type": "ECOSYSTEM", "events": [{"introduced": 0}]}])),
        osv(entry(ranges=[{"type": "ECOSYSTEM", "events": [{"introduced": "0", "fixed": "1"}]}])),
        osv(entry(ranges=[{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"last_affected": "1"}]}])),
        osv(entry(ranges=[{"type": "ECOSYSTEM", "events": [{"fixed": "1"}]}])),
        osv(entry(ecosystem_specific="x")),
        osv(*[entry()] * 20_001),
    ],
)
def test_another_form_is_refused(body: bytes) -> None:
    """A wrong fix is worse than none."""
    with pytest.raises(SignalError):
        read_osv(DEBIAN, "CVE-2026-1", body)


def test_ecosystems_that_no_image_runs_are_left_out() -> None:
    """FIPS, realtime and vendors' builds are other packages; what another distribution has is not this one's."""
    affected = [
        entry(package={"ecosystem": name, "name": "pkg"})
        for name in (
            *("Ubuntu:Pro:FIPS:20.04:LTS", "Ubuntu:Pro:FIPS-updates:22.04:LTS", "Ubuntu:Pro:22.04:LTS:Realtime:Kernel"),
            *("Ubuntu:Nvidia-BlueField:22.04", "Debian:12", "Ubuntu", "Ubuntu:22.04:LTS", "Ubuntu:Pro:22.04:LTS"),
        )
    ]
    record = read_osv(UBUNTU, "CVE-2026-1", osv(*affected, id="UBUNTU-CVE-2026-1"))
    assert set(record.packages["pkg"]) == {"22.04", "22.04+pro"}


def test_availability_says_who_gets_a_fix() -> None:
    """A fix that only subscribers get, in the release's own list."""
    for_some = entry(
        package={"ecosystem": "Ubuntu:22.04:LTS", "name": "pkg"},
        ecosystem_specific={"availability": "Available with Ubuntu Pro: https://ubuntu.com/pro"},
    )
    record = read_osv(UBUNTU, "CVE-2026-1", osv(for_some, id="UBUNTU-CVE-2026-1"))
    assert set(record.packages["pkg"]) == {"22.04+pro"}


def test_both_forms_of_binaries_are_read() -> None:
    """Names with their versions; and one member for each, as in old records."""
    for form in ([{"binary_name": "libpkg1", "binary_version": "1:1.1-1"}], [{"libpkg1": "1:1.1-1"}, "x", {"a": 1}]):
        one = entry(package={"ecosystem": "Ubuntu:22.04:LTS", "name": "pkg"}, ecosystem_specific={"binaries": form})
        record = read_osv(UBUNTU, "CVE-2026-1", osv(one, id="UBUNTU-CVE-2026-1"))
        assert record.binaries["libpkg1"]["22.04"][0].fixed == "1:1.1-1"


def test_changes_are_read_newest_first_and_advisories_left_out() -> None:
    """Fractions of any length; ``…10Z`` stands before ``…10.1Z``."""
    lines = [
        b"2026-09-12T03:30:10Z,DEBIAN-CVE-2026-1",
        b"2026-09-12T03:30:10.1Z,DSA-1-1",
        b"2026-09-01T00:00:00.123456789Z,DEBIAN-CVE-2026-102010\r",
    ]
    assert list(read_changes(DEBIAN, lines)) == [
        (datetime(2026, 9, 12, 3, 30, 10, tzinfo=UTC), "CVE-2026-1"),
        (datetime(2026, 9, 1, tzinfo=UTC), "CVE-2026-102010"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"x",
        b"2026-09-12,A",
        b"2026-13-12T03:30:10Z,ALPINE-CVE-2026-1",
        b"2026-09-12T03:30:10Z",
        b"2026-09-12T03:30:10Z,\xff",
        b"<html>",
    ],
)
def test_other_lines_refuse_the_list(line: bytes) -> None:
    """An error page is no list."""
    with pytest.raises(SignalError):
        list(read_changes(ALPINE, [line]))


@pytest.mark.parametrize(("distribution", "name"), [(DEBIAN, "x"), (UBUNTU, "y")])
def test_ids_that_are_none(distribution: Distribution, name: str) -> None:
    """Nothing but an id's own form is ever asked for."""
    for identifier in (
        None,
        1,
        f"{distribution.prefix}CVE-2026-1/../{name}",
        f"{distribution.prefix}CVE-2026-1\n",
        "CVE-2026-1",
    ):
        with pytest.raises(SignalError):
            of_id(identifier)


GUID = "a" * 64


@pytest.mark.parametrize(
    "address",
    [
        f"https://cdn.amazonlinux.com/2/core/2.0/x86_64/{GUID}",
        f"https://cdn.amazonlinux.com/2/core/latest/x86_64/{GUID}/\nhttps://other",
        f"https://cdn.amazonlinux.com/al2023/core/guids/{GUID}/x86_64/\n",
    ],
)
def test_a_mirror_is_amazons_own(address: str) -> None:
    """One address, below the host that is on the list."""
    assert read_mirror(address.encode()).endswith("/")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "http://cdn.amazonlinux.com/2/core/2.0/x86_64/" + GUID,
        f"https://evil.example/2/core/2.0/x86_64/{GUID}",
        f"https://cdn.amazonlinux.com/2/core/2.0/x86_64/{GUID}/../../x",
    ],
)
def test_another_mirror_is_refused(address: str) -> None:
    """A list is foreign, too."""
    with pytest.raises(SignalError):
        read_mirror(address.encode())


def test_the_index_leads_to_the_advisories() -> None:
    """A real one; and without them, or with a path elsewhere, it is refused."""
    body = (DATA / "repomd.xml").read_bytes()
    assert read_repomd(body)[0] == "repodata/updateinfo.xml.gz"
    for other in (
        b"",
        b"<repomd/>",
        body.replace(b"repodata/updateinfo", b"../updateinfo"),
        body.replace(b"bec8d2c7", b"xxxxxxxx"),
        body.replace(b'"updateinfo"', b'"other2"'),
    ):
        with pytest.raises(SignalError):
            read_repomd(other)


UPDATE = (
    b'<updates><update><id>ALAS2-2026-1</id><references><reference id="CVE-2026-1" type="cve"/></references><pkglist>'
    b'<collection><package name="pkg" version="1.0" release="2.amzn2" epoch="1" arch="x86_64"/>'
    b'<package name="pkg" version="1.0" release="10.amzn2" epoch="1" arch="aarch64"/>'
    b"</collection></pkglist></update></updates>"
)


def test_advisories_are_read_in_parts_of_any_size() -> None:
    """The highest version, where architectures differ; with its epoch."""
    for size in (1, 7, 1000):
        parts = [UPDATE[at : at + size] for at in range(0, len(UPDATE), size)]
        number, found = read_updateinfo(parts, "2", {"CVE-2026-1", "ALAS2-2026-1", "CVE-2026-2"})
        assert number == 1
        assert set(found) == {"CVE-2026-1", "ALAS2-2026-1"}
        assert [span.fixed for span in found["CVE-2026-1"].packages["pkg"]["2"]] == ["1:1.0-10.amzn2"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<updates/>",
        b"<html>",
        UPDATE[:-12],
        UPDATE.replace(b"ALAS2-2026-1", b"CVE-1"),
        UPDATE.replace(b'version="1.0"', b'version="1 0"'),
        UPDATE.replace(b'name="pkg"', b'name=""'),
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>' + UPDATE,
        b"<a>" * 100 + b"</a>" * 100,
    ],
)
def test_other_advisories_are_refused(body: bytes) -> None:
    """Cut off, another form, or a document type whose entities expand."""
    with pytest.raises(SignalError):
        read_updateinfo([body], "2", {"CVE-2026-1"})
