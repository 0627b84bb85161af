"""What messages say, in each of their forms."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecr_rescan.core.changes.alerts import Alert, alerts
from ecr_rescan.core.configuration import Suppression
from ecr_rescan.core.scan_result import ScanFinding
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.telling.message import Known, baseline_message, changes_message, subject_of, suppressions_message
from ecr_rescan.core.telling.message_forms import CHAT_CHARACTERS, Message
from tests.builders import AT, CONFIG_ID, configuration, document, found, image, result

URL = "https://api.example.com/v1"
PAGE = f"{URL}/dashboard/{CONFIG_ID}"
SNS_BYTES = 256 * 1024
"""SNS API reference, Publish: the largest message, with its attributes."""


def alerts_of(*findings: ScanFinding, tags: tuple[str, ...] = ("1.0",)) -> list[Alert]:
    """The alerts of an image with these findings."""
    made = document(images=[image("one", *tags)], results=[result("one", *findings)])
    return alerts(configuration(), [made], on=AT.date())


def changes(*findings: ScanFinding, **wire: Any) -> Message:
    """The message about these findings."""
    return changes_message(configuration(**wire), alerts_of(*findings), URL, AT)


def machine(message: Message) -> dict[str, Any]:
    """What machines read."""
    read: dict[str, Any] = json.loads(message.forms["default"])
    return read


def chat(message: Message) -> dict[str, Any]:
    """What Amazon Q Developer reads."""
    read: dict[str, Any] = json.loads(message.forms["https"])
    return read


def size(message: Message) -> int:
    """Bytes as SNS counts them: the structure of forms, and names, types and values of attributes."""
    attributes = [
        part
        for name, value in message.attributes.items()
        for part in (name, "String.Array", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    ]
    structure = json.dumps(message.forms, ensure_ascii=False)
    return sum(len(part.encode()) for part in (structure, *attributes))


def test_a_mail_says_what_people_need() -> None:
    """The most severe first, with package, version, tags, fix, since when, and links."""
    message = changes(
        found("CVE-2026-2", "zlib", severity=Severity.HIGH, version="1.3", fixed_in="1.4"),
        found("CVE-2026-1", "openssl", severity=Severity.CRITICAL),
        description="Team A",
    )
    assert message.subject == "CRITICAL CVE-2026-1 openssl in team/app (known from the beginning, +1 more)"
    head, first, second, ending = message.forms["email"].split("\n\n")
    assert head == "Changes in Team A: 1 CRITICAL, 1 HIGH."
    assert first.splitlines() == [
        "CRITICAL CVE-2026-1 in openssl (known from the beginning)",
        "  A fault.",
        "  team/app: 1.0 3.0.1",
        "  first seen 2026-03-02T08:00:00Z",
        "  https://example.com/a",
        f"  Its page: {PAGE}?cve=CVE-2026-1&package=openssl",
    ]
    assert second.startswith("HIGH CVE-2026-2 in zlib")
    assert "  Fix: upgrade zlib to 1.4\n" in second
    ignoring = f"ecr-rescan ignore VULNERABILITY --package PACKAGE --reason WHY --in {CONFIG_ID}"
    assert ending.startswith(f"To ignore one: {ignoring}\nEverything: {PAGE}\nMessage ")
    assert ending.endswith(machine(message)["id"])


def test_machines_get_every_member() -> None:
    """Schema 1 of docs/notifications.md."""
    read = machine(changes(found(fixed_in="3.0.2", score="9.8"), owner="team-a", description="Team A"))
    (alert,) = alerts_of(found(fixed_in="3.0.2", score="9.8"))
    assert read == {
        "schema": 1,
        "id": read["id"],
        "type": "changes",
        "at": "2026-03-02T08:00:00Z",
        "configuration": {
            "id": CONFIG_ID,
            "description": "Team A",
            "owner": "team-a",
            "registry": "123456789012",
            "region": "us-east-1",
        },
        "summary_url": f"{URL}/summary/{CONFIG_ID}",
        "dashboard_url": PAGE,
        "severity": "HIGH",
        "changes": ["baseline"],
        "counts": {"HIGH": 1},
        "suppressions": [],
        "alerts": [
            {
                "id": alert.id,
                "kind": "baseline",
                "raised_from": None,
                "severity": "HIGH",
                "vulnerability": "CVE-2026-1",
                "package": "openssl",
                "exploited": None,
                "epss": None,
                "likely": None,
                "fixed_in": "3.0.2",
                "fixable": True,
                "fixes": [{"state": "fixed", "version": "3.0.2", "release": None, "since": None, "why": None}],
                "score": "9.8",
                "link": "https://example.com/a",
                "page": f"{PAGE}?cve=CVE-2026-1&package=openssl",
                "first_seen": "2026-03-02T08:00:00Z",
                "published": "2026-03-02T08:00:00Z",
                "repositories": ["team/app"],
                "affected": [
                    {"repository": "team/app", "version": "3.0.1", "severity": "HIGH", "tags": ["1.0"]},
                ],
            }
        ],
        "more": 0,
    }


def test_chats_get_amazon_qs_schema() -> None:
    """Version 1.0 of its custom notifications, one thread per configuration."""
    read = chat(changes(found()))
    assert (read["version"], read["source"]) == ("1.0", "custom")
    assert read["content"]["textType"] == "client-markdown"
    assert read["content"]["title"] == "HIGH CVE-2026-1 openssl in team/app (known from the beginning)"
    lines = read["content"]["description"].splitlines()
    assert lines[1] == (
        "*HIGH* `CVE-2026-1` in `openssl` (known from the beginning) – `team/app` "
        f"{PAGE}?cve=CVE-2026-1&package=openssl"
    )
    assert read["content"]["nextSteps"] == [f"Everything: {PAGE}"]
    assert read["metadata"]["threadId"] == CONFIG_ID


def test_attributes_are_for_filter_policies() -> None:
    """Configuration, owner, highest severity, kinds of change, repositories."""
    message = changes(found(), found("CVE-2026-2", severity=Severity.CRITICAL), owner="team-a")
    assert message.attributes == {
        "configuration": CONFIG_ID,
        "owner": "team-a",
        "severity": "CRITICAL",
        "changes": ["baseline"],
        "repositories": ["team/app"],
    }


def test_more_repositories_than_the_attribute_holds_are_a_star() -> None:
    """So that a filter can let through what it can't see."""
    names = [f"team/{number:0200}" for number in range(300)]
    message = baseline_message(configuration(["team/*"]), names, {}, Known(1, {}), URL, AT, began=AT)
    named = message.attributes["repositories"]
    assert named[-1] == "*"
    assert list(named[:-1]) == names[: len(named) - 1]
    assert len(named) > 30


def test_a_message_that_is_sent_twice_has_one_id() -> None:
    """Whatever the order of its alerts and the time; another alert makes it another message."""
    two = alerts_of(found(), found("CVE-2026-2"))
    later = changes_message(configuration(), two[::-1], URL, AT + timedelta(hours=1))
    assert machine(later)["id"] == machine(changes_message(configuration(), two, URL, AT))["id"]
    assert machine(later)["id"] != machine(changes_message(configuration(), two[:1], URL, AT))["id"]


@pytest.mark.parametrize("count", [600, 5_000])
def test_however_many_alerts_every_form_fits(count: int) -> None:
    """The most severe are listed, and the rest is counted, in each form."""
    findings = [
        found(
            f"CVE-2026-{number}",
            f"päckage-{number}" * 5,
            severity=Severity.CRITICAL if number % 7 == 0 else Severity.HIGH,
        )
        for number in range(count)
    ]
    message = changes(*findings)
    assert size(message) <= SNS_BYTES
    read = machine(message)
    assert read["more"] == count - len(read["alerts"])
    assert read["counts"] == {"CRITICAL": (count + 6) // 7, "HIGH": count - (count + 6) // 7}
    severities = [alert["severity"] for alert in read["alerts"]]
    assert severities == sorted(severities)
    mail = message.forms["email"].split("\n\n")
    assert mail[-2] == f"and {count - (len(mail) - 3)} more"
    description = chat(message)["content"]["description"]
    assert len(description) <= CHAT_CHARACTERS
    assert description.splitlines()[-1] == f"and {count - len(description.splitlines()) + 2} more"
    assert len(message.forms["sms"]) <= 140


MARKUP = re.compile(r"[<>@|&]")
HOST = re.compile(r"\w\.[^\W\d_]{2}")


def assert_inert(message: Message) -> None:
    """No form holds anything live but our own markup, and links that were checked."""
    for form in message.forms.values():
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", form)
    content = chat(message)["content"]
    for title in (content["title"], chat(message)["metadata"]["summary"]):
        assert not re.search(r"[<>@|&*_~#`]|://|\]\(", title)
        assert not HOST.search(title)
    assert not HOST.search(message.forms["sms"])
    for line in content["description"].splitlines():
        assert line.count("`") % 2 == 0
        outside = "".join(line.split("`")[::2])
        assert not MARKUP.search("".join(line.split("`")[1::2]))
        outside = re.sub(r"^\*[A-Z]+\*", "", re.sub(r"https://(api\.)?example\.com/[^ ]*", "", outside))
        assert not re.search(r"[*_~<>@|&\[\]#]|://", outside)
    for line in message.forms["email"].splitlines():
        own = line.strip().startswith(("https://example.com/", f"Everything: {URL}", f"Its page: {PAGE}?"))
        assert own or not ("://" in line or HOST.search(line))


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.text(st.characters(codec=None), max_size=40)
        | st.sampled_from(
            [
                "`<!channel>`",
                "@here",
                "<@U123>",
                "*bold*",
                "[click](https://evil.example)",
                "https://evil.example/x",
                "www.evil.example",
                "see evil.example, or write to a@evil.example",
                "пример.рф",
                "\u202egpj.exe",
                "a\nb",
                "</description>",
                "`",
                "\x1b[2J",
                "x" * 200_000,
            ]
        ),
        min_size=6,
        max_size=6,
    )
)
def test_hostile_text_never_lives(texts: list[str]) -> None:
    """In no form, and within every limit."""
    vulnerability, package, version, fixed_in, description, uri = texts
    (alert,) = alerts_of(found())
    (occurrence,) = alert.occurrences
    hostile = replace(
        alert,
        vulnerability=vulnerability,
        package=package,
        fixed_in=fixed_in or None,
        occurrences=(replace(occurrence, version=version),),
        advisory=replace(alert.advisory, description=description, uri=f"https://example.com/{uri}"),
    )
    asked = replace(configuration(), description=description or "Team A")
    message = changes_message(asked, [hostile], URL, AT)
    assert_inert(message)
    assert size(message) <= SNS_BYTES
    suppression = Suppression(vulnerability or "x", description, package or None, (version or "x",), AT.date())
    told = suppressions_message(
        asked, ended=[suppression], shown_again=[hostile], ending=[suppression], unused=[], base_url=URL, now=AT
    )
    assert_inert(told)
    assert size(told) <= SNS_BYTES


def test_the_baseline_is_counted_not_listed() -> None:
    """With what is new, and what is still waiting."""
    message = baseline_message(
        configuration(description="Team A"),
        [f"team/{number}" for number in range(30)],
        Counter({Severity.HIGH: 3, Severity.UNDEFINED: 1}),
        Known(5, {"failed": 2}),
        None,
        AT,
        began=AT,
    )
    assert message.subject == "Baseline: Team A: 3 HIGH, 1 UNDEFINED"
    assert "and 10 more" in message.forms["email"]
    assert "2 images have no result: 2 failed." in message.forms["email"]
    read = machine(message)
    assert (read["type"], read["counts"], read["waiting"]) == ("baseline", {"HIGH": 3, "UNDEFINED": 1}, 2)
    assert (message.attributes["severity"], message.attributes["changes"]) == ("HIGH", ["baseline"])


def test_nothing_found_is_a_baseline_too() -> None:
    """Its severity is a word that no filter for severities has."""
    message = baseline_message(configuration(), ["team/app"], {}, Known(2, {}), URL, AT, began=AT)
    assert message.attributes["severity"] == "NONE"
    assert message.subject == "Baseline: team/app: no findings in 2 images"


def test_suppressions_say_what_is_shown_again() -> None:
    """In one message with those that will end, and that match nothing."""
    ended = Suppression("CVE-2026-1", "no exploit", until=date(2026, 3, 1))
    message = suppressions_message(
        configuration(description="Team A"),
        ended=[ended],
        shown_again=alerts_of(found()),
        ending=[Suppression("CVE-2026-2", "next week", "zlib", ("v1",), date(2026, 3, 8))],
        unused=[Suppression("CVE-2020-*", "old"), Suppression("CVE-2021-*", "old")],
        base_url=URL,
        now=AT,
    )
    assert message.subject == (
        "1 suppression ended, 1 suppression about to end, 2 suppressions matching nothing: Team A"
    )
    assert message.forms["email"].split("\n\n")[:-1] == [
        "Suppressions of Team A.\nShown again: 1 HIGH. These are no new findings.",
        "Ended after 2026-03-01: CVE-2026-1 (no exploit)",
        "Ends after 2026-03-08: CVE-2026-2 in zlib for v1 (next week)",
        "Matches nothing any more: CVE-2020-* (old)",
        "Matches nothing any more: CVE-2021-* (old)",
        "HIGH CVE-2026-1 in openssl (known from the beginning)\n  A fault.\n  team/app: 1.0 3.0.1\n"
        "  first seen 2026-03-02T08:00:00Z\n  https://example.com/a\n"
        f"  Its page: {PAGE}?cve=CVE-2026-1&package=openssl",
    ]
    read = machine(message)
    assert [one["kind"] for one in read["suppressions"]] == ["ended", "ending", "unused", "unused"]
    assert [alert["vulnerability"] for alert in read["alerts"]] == ["CVE-2026-1"]
    assert message.attributes["changes"] == ["suppression-ended", "suppression-ending", "suppression-unused"]


def test_500_suppressions_fit() -> None:
    """As many as a configuration may have, with the longest of everything."""
    ones = [
        Suppression(f"CVE-{number:0>250}", "ü" * 500, "p" * 256, ("t" * 128,) * 20, date(2026, 3, 3))
        for number in range(500)
    ]
    message = suppressions_message(
        configuration(), ended=[], shown_again=[], ending=ones, unused=ones, base_url=URL, now=AT
    )
    assert size(message) <= SNS_BYTES
    read = machine(message)
    assert read["more"] == 1000 - len(read["suppressions"])
    assert read["more"] > 0


def test_the_end_of_a_subject_is_never_cut_off() -> None:
    """Nor is it ever longer than a subject may be; a short one says everything."""
    (alert,) = alerts_of(found(severity=Severity.CRITICAL))
    new = replace(alert, kind="new")
    assert subject_of([new]) == "CRITICAL CVE-2026-1 openssl in team/app (new)"
    wide = replace(new, package="p" * 200, repositories=("r" * 200, "s"))
    subject = subject_of([wide, new, new, new])
    assert subject.endswith("… (new, +3 more)")
    assert 98 <= len(subject) <= 100
    several = replace(new, repositories=("team/app", "team/web", "team/x"))
    assert subject_of([several]) == "CRITICAL CVE-2026-1 openssl in team/app and 2 more (new)"


def test_a_rise_says_from_what_to_what() -> None:
    """In the subject, in the mail, and for machines."""
    (alert,) = alerts_of(found(severity=Severity.CRITICAL))
    raised = replace(alert, kind="escalated", raised_from=Severity.MEDIUM)
    message = changes_message(configuration(), [raised], URL, AT)
    assert message.subject == "CRITICAL CVE-2026-1 openssl in team/app (raised from MEDIUM)"
    assert "CRITICAL CVE-2026-1 in openssl (severity raised from MEDIUM to CRITICAL)" in message.forms["email"]
    assert machine(message)["alerts"][0]["raised_from"] == "MEDIUM"


@pytest.mark.parametrize(
    ("score", "description", "told"),
    [
        ("9.8", "Reads too far.", ["  Reads too far.", "  CVSS 9.8"]),
        ("0.0", "None Provided", []),
        ("0", "N/A.", []),
        (None, "", []),
        ("10.0", "", ["  CVSS 10.0"]),
    ],
)
def test_words_for_nothing_are_not_told(score: str | None, description: str, told: list[str]) -> None:
    """Some sources write 0.0 where nobody gave a score."""
    (alert,) = alerts_of(found())
    said = replace(alert, advisory=replace(alert.advisory, score=score, vector=None, description=description))
    lines = changes_message(configuration(), [said], URL, AT).forms["email"].split("\n\n")[1].splitlines()
    assert lines[1 : lines.index("  team/app: 1.0 3.0.1")] == told


def test_without_an_address_there_is_no_page() -> None:
    """Before the first request that tells it; the advisory is linked all the same."""
    message = changes_message(configuration(), alerts_of(found()), None, AT)
    assert "Its page" not in message.forms["email"]
    assert machine(message)["alerts"][0]["page"] is None
    assert "https://example.com/a" in chat(message)["content"]["description"]
