"""What StartScan tells beside changes: baselines and reminders of suppressions, each once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ecr_rescan.adapters.topic import Topic
from ecr_rescan.core.errors import MessageError
from ecr_rescan.core.telling.message_forms import Message
from ecr_rescan.runtime.scanning import scan_wiring
from local.faults import Fault
from tests.runtime.telling import Death
from tests.service import Service, basic, service

CVE = "CVE-2026-1"


@pytest.fixture
def aws() -> Iterator[Service]:
    """An empty deployment."""
    with service() as running:
        yield running


def told(aws: Service, kind: str) -> list[dict[str, Any]]:
    """The messages of a kind, as machines read them, oldest first."""
    read = [json.loads(forms["default"]) for _, forms, _ in aws.published]
    return [message for message in read if message["type"] == kind]


def live(aws: Service, days: float) -> None:
    """Let days go by, with a tick every three hours."""
    aws.cycle(round(days * 8), minutes=180)


def change(aws: Service, added: dict[str, Any], **fields: Any) -> None:
    """PUT a configuration."""
    names = ("region", "registry", "repository", "tags", "newest", "ignore")
    body = {name: added[name] for name in names} | fields
    reply = aws.config("PUT", "/configs/{id}", parameters={"id": added["id"]}, body=body)
    assert reply.status == 200, reply.body


def app_with(aws: Service, *tags: str) -> None:
    """team/app with images, each with a finding of its own and a shared one."""
    for number, tag in enumerate(tags):
        aws.push("team/app", tag)
        aws.post("team/app", tag, [basic(CVE), basic(f"CVE-2026-10{number}", severity="LOW")])
        aws.advance(seconds=1)


def test_a_new_configuration_is_one_baseline_when_all_has_results(aws: Service) -> None:
    """Not before, and not again."""
    app_with(aws, "1", "2")
    aws.push("team/lib", "1")
    aws.post("team/lib", "1", [])
    aws.add("team/*")
    aws.tick()
    assert aws.published == []
    aws.advance(minutes=5)
    aws.drain()
    aws.cycle(4)
    (baseline,) = told(aws, "baseline")
    assert baseline["counts"] == {"HIGH": 1, "LOW": 2}
    assert baseline["waiting"] == 0
    live(aws, 2)
    assert len(aws.published) == 1


def test_a_baseline_does_not_wait_for_ever(aws: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """After 25 hours it is told, with what is missing; that is told when it comes."""
    unhurried = replace(scan_wiring.environment(), sleep=lambda seconds: None)
    monkeypatch.setattr(scan_wiring, "environment", lambda: unhurried)
    app_with(aws, "1", "2")
    aws.add("team/app")
    aws.faults.add(Fault("ecr", "DescribeImageScanFindings"))
    live(aws, 1)
    assert aws.published == []
    live(aws, 0.25)
    (baseline,) = told(aws, "baseline")
    assert (baseline["counts"], baseline["waiting"]) == ({}, 2)
    aws.faults.clear()
    live(aws, 1.5)
    _, late = told(aws, "baseline")
    assert late["counts"] == {"HIGH": 1, "LOW": 2}
    assert len(aws.published) == 2, "what comes late is told in one message"


def test_a_baseline_waits_for_a_tick_that_had_time_for_all(aws: Service) -> None:
    """A repository that the tick did not come to is part of it, too."""
    app_with(aws, "1")
    aws.add("team/app")
    aws.cycle(4)
    aws.push("team/lib", "1")
    aws.post("team/lib", "1", [basic("CVE-2026-7")])
    added = aws.add("team/*")
    aws.seconds_left = 10
    aws.cycle(1)
    aws.seconds_left = 240
    aws.cycle(4)
    (baseline,) = [one for one in told(aws, "baseline") if one["configuration"]["id"] == added["id"]]
    assert baseline["counts"] == {"HIGH": 2, "LOW": 1}


def test_a_baseline_does_not_count_what_is_suppressed(aws: Service) -> None:
    """It is not shown either."""
    ignoring(aws, {"vulnerability": "CVE-2026-10*"})
    (baseline,) = told(aws, "baseline")
    assert baseline["counts"] == {"HIGH": 1}


def test_a_new_repository_is_a_baseline_of_its_own(aws: Service) -> None:
    """Never one by one."""
    app_with(aws, "1")
    aws.add("team/*")
    aws.cycle(4)
    aws.push("team/new", "1")
    aws.post("team/new", "1", [basic("CVE-2026-7", severity="CRITICAL"), basic("CVE-2026-8", severity="CRITICAL")])
    live(aws, 1.5)
    _, baseline = told(aws, "baseline")
    assert baseline["counts"] == {"CRITICAL": 2}
    assert len(aws.published) == 2


def test_a_widened_configuration_is_told_what_is_new_to_it(aws: Service) -> None:
    """Once, and without what it saw before."""
    app_with(aws, "1", "2")
    everything = aws.add("team/app")
    one = aws.add("team/app", tags=["1"])
    aws.cycle(4)
    assert len(told(aws, "baseline")) == 2
    change(aws, one, tags=["1", "2"])
    live(aws, 1.2)
    more = told(aws, "baseline")[2:]
    assert [(message["configuration"]["id"], message["counts"]) for message in more] == [(one["id"], {"LOW": 1})]
    change(aws, one, tags=["2"])
    change(aws, everything, newest=1)
    live(aws, 1.2)
    assert len(aws.published) == 3, "fewer images are nothing to tell"
    change(aws, everything, newest=None)
    live(aws, 1.2)
    assert len(told(aws, "baseline")) == 4


def test_a_change_of_scan_type_is_one_baseline(aws: Service) -> None:
    """When everything had time to be found anew."""
    app_with(aws, "1")
    aws.add("team/app")
    aws.cycle(4)
    aws.ecr.put_registry_scanning_configuration(scanType="ENHANCED", rules=[])
    live(aws, 1)
    assert len(aws.published) == 1, "not everything was found anew yet"
    live(aws, 2.5)
    _, baseline = told(aws, "baseline")
    assert "enhanced" in aws.messages[-1][1].lower()
    assert len(aws.published) == 2
    assert baseline["counts"] == {"HIGH": 1, "LOW": 1}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_while_a_baseline_is_sent_loses_nothing(
    aws: Service, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """And repeats it only if it had been sent, under the same id."""
    app_with(aws, "1")
    aws.add("team/app")
    publish = Topic.publish

    def die(topic: Topic, message: Message) -> None:
        if when == "after":
            publish(topic, message)
        raise Death

    with monkeypatch.context() as patched:
        patched.setattr(Topic, "publish", die)
        with pytest.raises(Death):
            aws.cycle(5)
    aws.restart()
    aws.cycle(3)
    assert len(aws.published) == (when == "after"), "somebody may still be sending"
    aws.cycle(8)
    assert len(aws.published) == (2 if when == "after" else 1)
    assert len({message["id"] for message in told(aws, "baseline")}) == 1


def test_a_baseline_that_sns_refuses_is_sent_later(aws: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """And other configurations' are not held up."""
    app_with(aws, "1")
    aws.add("team/app")
    aws.add("team/app")
    refused = []
    publish = Topic.publish

    def refuse_once(topic: Topic, message: Message) -> None:
        if not refused:
            refused.append(message)
            raise MessageError("alerts", "Throttled")
        publish(topic, message)

    monkeypatch.setattr(Topic, "publish", refuse_once)
    aws.cycle(3)
    assert len(aws.published) == 1
    aws.cycle(10)
    assert len(aws.published) == 2


def ignoring(aws: Service, *entries: dict[str, Any]) -> dict[str, Any]:
    """A configuration with suppressions, after its baseline."""
    app_with(aws, "1", "2")
    added = aws.add("team/app", ignore=[{"reason": "not reachable", **entry} for entry in entries])
    aws.cycle(4)
    assert len(told(aws, "baseline")) == 1
    return added


def after(aws: Service, days: int) -> str:
    """The date in so many days."""
    return str((aws.now + timedelta(days=days)).date())


def test_a_suppression_that_ends_is_one_message_with_what_is_shown_again(aws: Service) -> None:
    """No alert; and the feed shows the old entries, with their ids and dates."""
    in_one_image = {"vulnerability": CVE, "tags": ["1"], "reason": "not reachable"}
    added = ignoring(aws, {"vulnerability": "CVE-2026-10*", "until": after(aws, 10)}, in_one_image)
    before = aws.feed(added).body
    change(aws, added, ignore=[in_one_image])
    unsuppressed = aws.feed(added).body
    change(aws, added)
    assert "CVE-2026-100" not in before
    live(aws, 12)
    ending, ended = told(aws, "suppressions")
    assert [one["kind"] for one in ending["suppressions"]] == ["ending"]
    assert [one["kind"] for one in ended["suppressions"]] == ["ended"]
    assert ended["suppressions"][0]["until"] == "2026-03-11"
    assert ended["at"][:10] == "2026-03-12"
    assert sorted(alert["vulnerability"] for alert in ended["alerts"]) == ["CVE-2026-100", "CVE-2026-101"]
    assert told(aws, "changes") == []
    entries = aws.feed(added).body
    assert entries.partition("<entry>")[2] == unsuppressed.partition("<entry>")[2]


def test_what_is_not_shown_again_is_not_told(aws: Service) -> None:
    """The suppression that ended hid only what is below the configuration's severity."""
    app_with(aws, "1", "2")
    ended = {"vulnerability": "CVE-2026-10*", "reason": "not reachable", "until": after(aws, 10)}
    aws.add("team/app", severity="HIGH", ignore=[ended])
    live(aws, 12)
    assert [one["kind"] for message in told(aws, "suppressions") for one in message["suppressions"]] == ["ending"]


def test_a_suppression_that_matches_nothing_is_told_once(aws: Service) -> None:
    """When it is new, or when what it hid is mended."""
    added = ignoring(
        aws, {"vulnerability": "CVE-1999-*"}, {"vulnerability": CVE, "tags": ["1"]}, {"vulnerability": "CVE-2026-101"}
    )
    aws.cycle(2)
    (first,) = told(aws, "suppressions")
    assert [one["vulnerability"] for one in first["suppressions"]] == ["CVE-1999-*"]
    aws.post("team/app", "2", [basic(CVE)])
    live(aws, 3)
    _, second = told(aws, "suppressions")
    assert [(one["kind"], one["vulnerability"]) for one in second["suppressions"]] == [("unused", "CVE-2026-101")]
    change(aws, added, ignore=[{"vulnerability": "CVE-1999-*", "reason": "said better"}])
    live(aws, 1.5)
    assert len(told(aws, "suppressions")) == 2


def test_a_death_while_reminding_loses_nothing(aws: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next ticks make up for it."""
    added = ignoring(aws)
    with monkeypatch.context() as patched:

        def die(topic: Topic, message: Message) -> None:
            raise Death

        patched.setattr(Topic, "publish", die)
        change(aws, added, ignore=[{"vulnerability": "CVE-1999-*", "reason": "x"}])
        with suppress(Death):
            aws.tick()
    aws.restart()
    aws.cycle(10)
    assert len(told(aws, "suppressions")) == 1


def test_tokens_are_in_no_message(aws: Service) -> None:
    """Nor is anything that opens the feed."""
    added = ignoring(aws, {"vulnerability": "CVE-1999-*"})
    live(aws, 1)
    token = added["feed_url"].partition("token=")[2]
    assert token
    assert aws.published
    assert not [forms for _, forms, _ in aws.published if token in "".join(forms.values()) or "ecrr_" in str(forms)]
