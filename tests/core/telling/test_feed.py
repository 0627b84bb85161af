"""The Atom feed: what it shows of each alert, in which order, how it is cut, and that nothing hostile stays alive."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from ecr_rescan.core.changes.alerts import alerts
from ecr_rescan.core.changes.coverage import coverage
from ecr_rescan.core.changes.findings import FindingsDocument
from ecr_rescan.core.changes.recording import Update, announce, record
from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.telling import feed as feed_module
from ecr_rescan.core.telling.feed import FeedSource, of_its_own, render_feed
from ecr_rescan.core.telling.feed_filters import FeedFilters
from ecr_rescan.core.text import safe_link
from tests.builders import AT, configuration, digest, document, found, image, result, update
from tests.feeds import ATOM, SELF, is_complete, parse, raw_entries, render


def test_an_entry_says_what_people_need_to_know() -> None:
    """Title, summary, content, link, categories and dates of a plain finding in a single image."""
    finding = found(fixed_in="3.0.2", score="7.5", vector="AV:N", description="A <bad> fault & more.")
    text = render([document(images=[image("one", "latest", "v1")], results=[result("one", finding)])])
    (entry,) = parse(text).entries
    assert entry.title == "HIGH CVE-2026-1 in openssl: team/app"
    assert entry.link == f"https://example.com/a#ecr-rescan-{entry.id.removeprefix('urn:uuid:')}"
    assert entry.published == entry.updated == "2026-03-02T08:00:04+00:00"
    assert entry.id.startswith("urn:uuid:")
    assert {tag.term for tag in entry.tags} == {"HIGH", "baseline", "openssl", "true"}
    (raw,) = raw_entries(text)
    assert raw.findtext(f"{ATOM}summary") == (
        "HIGH CVE-2026-1 in openssl 3.0.1. 1 image of team/app. Fix: upgrade openssl to 3.0.2. CVSS 7.5 AV:N. "
        "First seen 2026-03-02. A &lt;bad&gt; fault &amp; more."
    )
    assert raw.findtext(f"{ATOM}content") == (
        "<p>A &lt;bad&gt; fault &amp; more.</p>\n"
        "<p>Fix: upgrade openssl to 3.0.2. CVSS 7.5 AV:N. First seen 2026-03-02.</p>\n"
        f"<ul><li><b>team/app</b> 3.0.1 HIGH\n<ul><li>latest, v1 <code>{digest('one')[:19]}</code></li></ul></li>"
        "\n</ul>"
    )


def test_the_feed_says_what_it_is() -> None:
    """Identity, self link, author, generator, language and coverage, and that it is complete."""
    asked = configuration(["team/*", "!team/old"], description="Team images")
    parsed = parse(render([document(images=[image()], results=[result("one", found())])], asked))
    assert parsed.feed.title == "ECR findings: Team images in us-east-1"
    assert parsed.feed.subtitle == "Team images. 1 of 1 selected images have results."
    assert parsed.feed.id.startswith("urn:uuid:")
    assert [(link.rel, link.type, link.href) for link in parsed.feed.links] == [("self", "application/atom+xml", SELF)]
    assert parsed.feed.author == "ecr-rescan"
    assert parsed.feed.generator == "ecr-rescan"
    assert parsed.feed.language == "en"
    assert parsed.feed.updated == "2026-03-02T08:00:04+00:00"


def test_of_what_began_at_one_instant_the_most_severe_is_the_newest() -> None:
    """Whatever began with it: readers that keep only the newest keep that. Nothing changed before it began."""
    every = [found(f"CVE-2026-{place}", severity=severity) for place, severity in enumerate(Severity)]
    entries = parse(render([document(images=[image()], results=[result("one", *every)])])).entries
    severities = {entry.title.split()[0]: entry.published for entry in entries}
    rated = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL"]
    assert sorted(rated, key=severities.__getitem__, reverse=True) == rated
    assert severities["UNDEFINED"] == severities["UNTRIAGED"] < severities["INFORMATIONAL"]
    assert all(entry.updated >= entry.published for entry in entries)
    alone = parse(render([document(images=[image()], results=[result("one", every[1])])])).entries
    assert alone[0].published == severities["HIGH"]


def test_changes_are_without_what_was_there_from_the_beginning() -> None:
    """A first result, or a configuration that is widened, shows nothing there; what comes later does."""
    asked = configuration(["team/*"])
    made = document(images=[image()], results=[result("one", found())])
    only = FeedFilters.from_query({"changes": "true"})
    assert len(parse(render([made], asked)).entries) == 1
    text = render([made], asked, only)
    assert parse(text).entries == []
    assert parse(text).feed.title == "ECR changes: team/* in us-east-1"
    (known,) = alerts(asked, [made], on=AT.date())
    source = FeedSource(asked, [made], coverage(asked, [made]), only, SELF)
    shown = parse(render_feed(source, [known, replace(known, kind="new"), replace(known, kind="escalated")])).entries
    assert len(shown) == 2


def test_a_clean_repository_is_an_empty_complete_feed() -> None:
    """No findings, but results: an empty feed that says that it is complete, dated by its document."""
    text = render([document(images=[image()], results=[result("one")])])
    assert parse(text).entries == []
    assert is_complete(text)
    assert parse(text).feed.updated == "2026-03-02T08:00:00+00:00"


def test_the_same_findings_give_the_same_bytes_in_any_order() -> None:
    """The order of documents and alerts leaves no trace."""
    every = [found(f"CVE-2026-{place}", severity=severity) for place, severity in enumerate([*Severity] * 3)]
    documents = [
        document(
            f"team/{name}",
            [image(f"{name}{i}", f"v{i}") for i in range(3)],
            [result(f"{name}{i}", *every) for i in range(3)],
        )
        for name in "abc"
    ]
    first = render(documents)
    assert len(parse(first).entries) == 3 * len(Severity)
    assert {render(documents, shuffled=seed) for seed in range(5)} == {first}


def test_entries_are_ordered_by_severity_then_oldest_first() -> None:
    """Most severe first, the unrated ones last; of the same severity the oldest."""
    old = found("CVE-2026-1", severity=Severity.LOW)
    made = document(images=[image()], results=[result("one", old)])
    later = AT + timedelta(days=2)
    more = [
        found("CVE-2026-2", severity=Severity.LOW),
        found("CVE-2026-3", severity=Severity.UNTRIAGED),
        found("CVE-2026-4", severity=Severity.CRITICAL),
    ]
    seen_by = configuration(["team/*"])
    update(made, None, [result("one", old, *more, at=later)], at=later, seen_by=seen_by)
    titles = [entry.title.split()[1] for entry in parse(render([made])).entries]
    assert titles == ["CVE-2026-4", "CVE-2026-1", "CVE-2026-2", "CVE-2026-3"]


@pytest.mark.parametrize(
    ("kind", "title", "told"),
    [
        ("new", "HIGH CVE-2026-1 in openssl: team/app", ""),
        (
            "spread",
            "HIGH CVE-2026-1 in openssl, spread to more repositories: team/app",
            "It has spread to more repositories.",
        ),
        ("reopened", "HIGH CVE-2026-1 in openssl, back again: team/app", "It was gone and is back."),
        ("escalated", "HIGH CVE-2026-1 in openssl, severity raised: team/app", "Its severity was raised."),
    ],
)
def test_kinds_are_said_in_words(kind: str, title: str, told: str) -> None:
    """Why an entry is there is in its title, its text and a category."""
    documents = [document(images=[image()], results=[result("one", found())])]
    asked = configuration(["team/*"])
    changed = [replace(alert, kind=kind) for alert in alerts(asked, documents, on=AT.date())]
    source = FeedSource(asked, documents, coverage(asked, documents), FeedFilters(), SELF)
    (entry,) = parse(render_feed(source, changed)).entries
    assert entry.title == title
    assert told in entry.summary
    assert told in entry.content[0].value
    assert kind in {tag.term for tag in entry.tags}


def resolved_document() -> FindingsDocument:
    """CVE-2026-1 was fixed a day after it was found, CVE-2026-2 stays."""
    asked = configuration(["team/*"])
    made = document(
        images=[image("one", "prod")],
        results=[result("one", found(), found("CVE-2026-2", severity=Severity.LOW))],
        seen_by=asked,
    )
    later = AT + timedelta(days=1)
    again = result("one", found("CVE-2026-2", severity=Severity.LOW), at=later)
    return update(made, None, [again], at=later, seen_by=asked)


def test_resolved_entries_come_on_request_and_last() -> None:
    """What was fixed is there only when asked for, after what is open, and says when and why."""
    made = resolved_document()
    assert [entry.title for entry in parse(render([made])).entries] == ["LOW CVE-2026-2 in openssl: team/app"]
    text = render([made], filters=FeedFilters(resolved=True))
    entries = parse(text).entries
    assert [entry.title for entry in entries] == [
        "LOW CVE-2026-2 in openssl: team/app",
        "Resolved: HIGH CVE-2026-1 in openssl: team/app",
    ]
    assert "Resolved 2026-03-03: a later result of the same image no longer lists it" in entries[1].summary
    assert "team/app" in entries[1].summary
    assert "resolved" in {tag.term for tag in entries[1].tags}


@pytest.mark.parametrize(("tag", "shown"), [("prod", 1), ("pr*", 1), ("dev", 0)])
def test_the_tag_filter_holds_for_resolved_entries_too(tag: str, shown: int) -> None:
    """A resolved entry is shown for the tags that its images had."""
    entries = parse(render([resolved_document()], filters=FeedFilters(resolved=True, tag=tag))).entries
    assert len([entry for entry in entries if entry.title.startswith("Resolved")]) == shown


def test_the_tag_filter_narrows_images_versions_and_severity() -> None:
    """Only images with the tag count: what they don't have is not shown, and not their severity either."""
    made = document(
        images=[image("one", "dev"), image("two", "prod")],
        results=[
            result("one", found(severity=Severity.CRITICAL), found("CVE-2026-2"), found(version="2.9")),
            result("two", found(severity=Severity.MEDIUM)),
        ],
    )
    text = render([made], filters=FeedFilters(tag="prod"))
    (entry,) = parse(text).entries
    assert entry.title == "MEDIUM CVE-2026-1 in openssl: team/app"
    assert "1 image of team/app" in entry.summary
    assert "2.9" not in entry.summary
    assert digest("one")[:19] not in entry.content[0].value
    assert "Filtered by tag=prod." in parse(text).feed.subtitle


@pytest.mark.parametrize(
    ("configured", "asked", "shown"),
    [
        (None, None, ["CRITICAL", "HIGH", "LOW", "UNDEFINED"]),
        ("HIGH", None, ["CRITICAL", "HIGH", "UNDEFINED"]),
        ("HIGH", Severity.CRITICAL, ["CRITICAL", "UNDEFINED"]),
        ("HIGH", Severity.INFORMATIONAL, ["CRITICAL", "HIGH", "LOW", "UNDEFINED"]),
    ],
)
def test_severity_is_the_configurations_or_as_asked(
    configured: str | None, asked: Severity | None, shown: list[str]
) -> None:
    """A request may be stricter or looser than the configuration; unrated findings always pass."""
    present = [Severity.LOW, Severity.UNDEFINED, Severity.CRITICAL, Severity.HIGH]
    findings = [found(f"CVE-2026-{place}", severity=severity) for place, severity in enumerate(present)]
    made = document(images=[image()], results=[result("one", *findings)])
    text = render([made], configuration(["team/*"], severity=configured), FeedFilters(severity=asked))
    assert [entry.title.split()[0] for entry in parse(text).entries] == shown


def test_suppressed_alerts_are_counted_not_shown() -> None:
    """A suppression hides an entry, and the subtitle says how many are hidden; the feed is complete without them."""
    made = document(images=[image()], results=[result("one", found(), found("CVE-2026-2"))])
    asked = configuration(["team/*"], ignore=[{"vulnerability": "CVE-2026-1", "reason": "not reachable"}])
    text = render([made], asked)
    assert [entry.title for entry in parse(text).entries] == ["HIGH CVE-2026-2 in openssl: team/app"]
    assert "1 finding is suppressed." in parse(text).feed.subtitle
    assert is_complete(text)


def test_platforms_and_unconfirmed_images_are_marked() -> None:
    """An image of several platforms names the affected ones; one whose newest scan failed says so."""
    made = document(
        images=[image("index", "v1", manifests={"amd": "linux/amd64", "arm": "linux/arm64"}), image("two", "v2")],
        results=[result("arm", found()), result("amd"), result("two", found())],
    )
    update(made, None, unconfirmed={"two": "FAILED"})
    text = render([made])
    content = parse(text).entries[0].content[0].value
    assert f"v1 <code>{digest('index')[:19]}</code> (linux/arm64)</li>" in content
    assert f"v2 <code>{digest('two')[:19]}</code> unconfirmed: newest scan FAILED</li>" in content
    assert "2 of 2 selected images have results; newest scan without a result: 1 FAILED." in parse(text).feed.subtitle


def test_an_image_of_several_platforms_is_one_image() -> None:
    """Two affected platforms, or a platform shared by two images, are counted by images."""
    made = document(
        images=[
            image("index", "v1", manifests={"amd": "linux/amd64", "arm": "linux/arm64"}),
            image("second", "v2", manifests={"arm": "linux/arm64"}),
            image("third", "v3", manifests={"arm": "linux/arm64"}),
        ],
        results=[result("amd", found()), result("arm", found())],
    )
    (entry,) = parse(render([made])).entries
    assert "3 images of team/app." in entry.summary
    assert "(linux/amd64, linux/arm64)" in entry.content[0].value


def test_an_image_without_anything_to_scan_has_no_results() -> None:
    """An index whose platforms are not known yet is not covered: none of none is not all."""
    made = document(images=[image("one", "v1"), image("index", "v2", manifests={})], results=[result("one")])
    assert "1 of 2 selected images have results." in parse(render([made])).feed.subtitle


@pytest.mark.parametrize(
    ("lacking", "complete"),
    [
        (None, False),
        ("FAILED", False),
        ("UNSUPPORTED", True),
        ("ARCHIVED", True),
    ],
)
def test_a_feed_is_complete_when_no_image_may_bring_more(lacking: str | None, complete: bool) -> None:
    """While a first result may come, a machine must not take what is missing for clean."""
    images = [image("one", "v1"), image("two", "v2", manifests={"amd": "linux/amd64", "arm": "linux/arm64"})]
    reasons = {"arm": lacking} if lacking else {}
    made = document(images=images, results=[result("one"), result("amd")], unconfirmed=reasons)
    assert is_complete(render([made])) is complete
    update(made, None, [result("arm", found())])
    assert is_complete(render([made]))
    update(made, [*images[:1], image("three", "v2", pushed_at=AT + timedelta(hours=1))])
    assert is_complete(render([made])), "the image before it speaks for it"
    update(made, [image("four", "v4", manifests={}), *images])
    assert not is_complete(render([made])), "an index of which nothing is known"


def test_a_stand_in_is_named_as_such() -> None:
    """An image that took a tag is shown with its predecessor's findings, and as not scanned itself."""
    made = document(images=[image("one")], results=[result("one", found())])
    later = AT + timedelta(hours=1)
    update(made, [image("two", pushed_at=later)], at=later)
    text = render([made])
    content = parse(text).entries[0].content[0].value
    assert f"latest <code>{digest('two')[:19]}</code> not scanned yet: as the image before it</li>" in content
    assert "0 of 1 selected images have results; 1 are shown with" in parse(text).feed.subtitle
    assert parse(render([made], filters=FeedFilters(tag="latest"))).entries[0].content[0].value == content


def test_many_images_are_counted_and_the_first_ones_listed() -> None:
    """An entry lists twenty images, and says how many there are; two versions in one image are one image."""
    documents = [
        document(
            f"team/{name}",
            [image(f"{name}{i}", f"v{i}") for i in range(15)],
            [result(f"{name}{i}", found(), found(version="2.9")) for i in range(15)],
        )
        for name in "abc"
    ]
    (entry,) = parse(render(documents)).entries
    assert entry.content[0].value.count("<code>") == 20
    assert "and 70 more" in entry.content[0].value
    assert "45 images of team/a, team/b, team/c." in entry.summary
    assert "openssl 2.9, 3.0.1." in entry.summary


def test_what_is_back_has_a_link_of_its_own() -> None:
    """Readers that know entries by their link would miss it: the advisory is the same as before."""
    lacks = {"images": [image()], "results": [result("one", at=AT + timedelta(days=2))]}
    later = {"images": [image()], "results": [result("one", found(), at=AT + timedelta(days=4))]}
    app = document(images=[image()], results=[result("one", found())])
    before = {entry.link for entry in parse(render([app])).entries}
    back = update(update(app, **lacks, at=AT + timedelta(days=2)), **later, at=AT + timedelta(days=4))
    (entry,) = parse(render([back])).entries
    assert "back again" in entry.title
    assert entry.link not in before
    assert {link.partition("#")[0] for link in (*before, entry.link)} == {"https://example.com/a"}


@pytest.mark.parametrize(
    ("uri", "link"),
    [
        ("https://example.com/a?b=c", "https://example.com/a?b=c#ecr-rescan-ID"),
        ("https://example.com/a#USN-1", "https://example.com/a#USN-1:~:ecr-rescan-ID"),
    ],
)
def test_a_link_keeps_all_of_the_advisory_s(uri: str, link: str) -> None:
    """A fragment that was there still leads to its place; so links work, and stay links that are safe."""
    made = of_its_own(uri, "ID")
    assert made == link == safe_link(made)


def test_without_a_safe_link_the_image_in_the_console_is_linked() -> None:
    """An advisory that can't be linked is replaced by ECR's page of the first image."""
    made = document(images=[image()], results=[result("one", found(uri="javascript:alert(1)"))])
    (entry,) = parse(render([made])).entries
    assert entry.link.startswith(
        "https://us-east-1.console.aws.amazon.com/ecr/repositories/private/123456789012/team/app"
    )
    assert digest("one") in entry.link


def test_missing_members_leave_an_entry() -> None:
    """A finding without package, version, description and link is shown with what there is."""
    made = document(images=[image()], results=[result("one", found(package="", version="", description="", uri=""))])
    (entry,) = parse(render([made])).entries
    assert entry.title == "HIGH CVE-2026-1: team/app"
    assert {tag.term for tag in entry.tags} == {"HIGH", "baseline"}


def many(count: int) -> FindingsDocument:
    """A document of so many findings, a tenth of them critical, the others low."""
    findings = [
        found(
            f"CVE-2026-{place}", severity=Severity.LOW if place % 10 else Severity.CRITICAL, description="Text. " * 40
        )
        for place in range(count)
    ]
    return document(images=[image()], results=[result("one", *findings)])


def test_limit_cuts_the_least_severe_and_says_so() -> None:
    """The most severe entries stay, and the feed neither says that it is complete nor hides that it was cut."""
    text = render([many(30)], filters=FeedFilters(limit=5))
    assert [entry.title.split()[0] for entry in parse(text).entries] == ["CRITICAL"] * 3 + ["LOW"] * 2
    assert "Cut: the 5 most urgent of 30 entries are shown" in parse(text).feed.subtitle
    assert not is_complete(text)
    assert is_complete(render([many(30)], filters=FeedFilters(limit=30)))


def test_a_feed_never_exceeds_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes are counted, not entries; the subtitle says how many of how many are shown."""
    monkeypatch.setattr(feed_module, "LIMIT_BYTES", 100_000)
    text = render([many(200)])
    shown = len(parse(text).entries)
    assert 80_000 < len(text.encode()) <= 100_000
    assert f"Cut: the {shown} most urgent of 200 entries are shown" in parse(text).feed.subtitle
    assert not is_complete(text)
    titles = [entry.title.split()[0] for entry in parse(text).entries]
    assert titles == ["CRITICAL"] * 20 + ["LOW"] * (shown - 20)


def test_an_unreadable_document_is_told_and_the_feed_not_complete() -> None:
    """What could not be read might hold more: the feed says so."""
    text = render([document(images=[image()], results=[result("one", found())])], unreadable=1)
    assert "1 repository could not be read." in parse(text).feed.subtitle
    assert not is_complete(text)


def test_filtered_feeds_are_feeds_of_their_own() -> None:
    """A reader may have several of one configuration: they differ by id, and the entries keep theirs."""
    documents = [document(images=[image()], results=[result("one", found())])]
    whole, critical = parse(render(documents)), parse(render(documents, filters=FeedFilters(severity=Severity.HIGH)))
    assert whole.feed.id != critical.feed.id
    assert [entry.id for entry in whole.entries] == [entry.id for entry in critical.entries]


def test_dates_are_those_of_the_alert_without_fractions() -> None:
    """``published`` is the wave's beginning, ``updated`` the last change; the feed is as new as its newest entry."""
    asked = configuration(["team/*"])
    made = document(images=[image()], results=[result("one")], seen_by=asked)
    wave = AT + timedelta(days=1)
    news = record_new(made, asked, wave + timedelta(microseconds=5))
    assert [alert.kind for alert in news] == ["new"]
    parsed = parse(render([made]))
    assert parsed.entries[0].published == "2026-03-03T08:00:04+00:00"
    assert parsed.feed.updated == "2026-03-03T08:00:04+00:00"


def record_new(made: FindingsDocument, asked: ScanConfiguration, at: datetime) -> list[Any]:
    """Record a finding that is news, and tell the alerts that it makes."""
    changes = record(made, Update(None, {digest("one"): result("one", found(), at=at)}), [asked], at)
    waves = {config_id: dict.fromkeys(opened, at) for config_id, opened in changes.opened.items()}
    announce(made, changes, waves, at)
    return alerts(asked, [made], on=at.date())
