"""The daily work by the command, against the local stack over HTTP."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from cli import tables
from cli.main import main
from local.stack import LocalStack
from tests.cli.conftest import cycle, push
from tests.cli.terminal import against, done, rows, run
from tests.service import basic


@pytest.fixture(scope="module")
def stack(stack: LocalStack) -> LocalStack:
    """Two repositories with a finding each, and one configuration for both."""
    push(stack, "team-a/api", "1", [basic("CVE-2026-1"), basic("CVE-2026-2", "zlib", "LOW")])
    push(stack, "team-a/web", "1", [basic("CVE-2026-1")])
    done(stack.url, "add", "team-a/*", "--newest", "5", "--owner", "a", "--description", "Team A", "--yes")
    cycle(stack)
    return stack


def test_adding_shows_what_it_would_do_and_asks(stack: LocalStack) -> None:
    """Where there is nobody to ask, nothing is added; --dry-run never adds."""
    ran = against(stack.url, "add", "team-a/w*")
    assert (ran.code, "give --yes" in ran.err, "team-a/web" in ran.out) == (3, True, True)
    assert "1 images, 1 scans a day (1 made anyway)" in done(stack.url, "add", "team-a/w*", "--dry-run")
    assert len(json.loads(done(stack.url, "list", "--json"))) == 1
    out = done(stack.url, "add", "team-b/*", "!team-b/old", "--tags", "prod*,live", "--notify", "critical", "--yes")
    added = re.search(r"Added ([0-9a-f-]{36})", out)
    assert added is not None
    assert "feed url, shown this once: http" in out
    made = json.loads(done(stack.url, "show", added[1], "--json"))
    assert (made["repository"], made["tags"]) == (["team-b/*", "!team-b/old"], ["prod*", "live"])
    done(stack.url, "remove", added[1][:8], "--yes")


def test_a_configuration_is_found_by_what_people_call_it(stack: LocalStack) -> None:
    """Its id, the beginning of it, a part of description or pattern; what is not unique is refused."""
    (one,) = json.loads(done(stack.url, "list", "--json"))
    for name in (one["id"], one["id"][:6], "team a", "TEAM-A"):
        assert one["id"] in done(stack.url, "show", name)
    done(stack.url, "add", "other/team-a", "--yes")
    ran = against(stack.url, "show", "team-a")
    assert (ran.code, "say more of it" in ran.err) == (3, True)
    done(stack.url, "remove", "other/", "--yes")
    assert against(stack.url, "show", "nothing").code == 3


def test_changing_changes_what_is_given_alone(stack: LocalStack) -> None:
    """And tells it; none empties."""
    assert (
        done(stack.url, "change", "Team A", "--newest", "3", "--tags", "none") == "newest: 5 -> 3\ntags: none -> none\n"
    )
    assert done(stack.url, "change", "Team A", "--newest", "none", "--notify", "LOW").startswith("newest: 3 -> none")
    found = json.loads(done(stack.url, "show", "Team A", "--json"))
    assert (found["newest"], found["notify"], found["owner"]) == (None, "LOW", "a")
    for wrong in ((), ("--newest", "x"), ("--severity", "bad"), ("--newest", "0")):
        assert against(stack.url, "change", "Team A", *wrong).code == 3


def test_what_is_open_where_and_since_when(stack: LocalStack) -> None:
    """Summary, findings, where, image."""
    assert rows(done(stack.url, "summary"))[1][1:9] == ["Team", "A", "2", "2", "0", "1", "0", "1"]
    listed = rows(done(stack.url, "findings"))
    assert listed[1][:4] == ["HIGH", "CVE-2026-1", "openssl", "team-a/api,"]
    assert listed[2][:3] == ["LOW", "CVE-2026-2", "zlib"]
    assert "1 in all" in done(stack.url, "findings", "--package", "zl*", "--in", "Team A")
    assert "Nothing found" in done(stack.url, "findings", "--overdue")
    assert [line[0] for line in rows(done(stack.url, "where", "cve-2026-1"))[1:3]] == ["team-a/api", "team-a/web"]
    assert "is nowhere: 2 of 2 platforms were looked at" in done(stack.url, "where", "CVE-1999-1")
    assert "CVE-2026-2" in done(stack.url, "where", "zlib")
    shown = done(stack.url, "image", "team-a/api:1")
    assert "COMPLETE" in shown
    assert "CVE-2026-2" in shown
    assert against(stack.url, "image", "team-a/api:9").code == 1
    assert against(stack.url, "image", "team-a/api").code == 3


def test_one_command_ignores_and_one_takes_it_back(stack: LocalStack) -> None:
    """Each tells what it did; nothing is there twice."""
    out = done(stack.url, "ignore", "CVE-2026-1", "--reason", "not reachable", "--until", "2026-12-31")
    assert "That hides 1 now." in out
    assert done(stack.url, "ignore", "CVE-2026-1", "--reason", "still not").startswith("Changed: CVE-2026-1")
    (entry,) = json.loads(done(stack.url, "ignored", "--json"))
    assert (entry["vulnerability"], entry["hides"], entry["reason"]) == ("CVE-2026-1", 1, "still not")
    assert "CVE-2026-1" not in done(stack.url, "findings")
    assert "CVE-2026-1" in done(stack.url, "findings", "--state", "suppressed")
    assert done(stack.url, "unignore", "cve-2026-1") == "No longer ignored: cve-2026-1 in Team A.\n"
    assert "CVE-2026-1" in done(stack.url, "findings")
    assert against(stack.url, "unignore", "CVE-2026-1").code == 1
    assert against(stack.url, "ignore", "CVE-1", "--reason", "x", "--until", "soon").code == 3
    assert "hides nothing now" in done(stack.url, "ignore", "CVE-1", "--reason", "x", "--package", "p", "--tags", "a,b")
    assert "Nothing is ignored." in done(stack.url, "unignore", "CVE-1") + done(stack.url, "ignored")


def test_tokens_are_made_listed_and_revoked(stack: LocalStack) -> None:
    """Of the feed, the dashboard and the gate; the dashboard's own is replaced each time."""
    url = done(stack.url, "feed", "new", "Team A", "--name", "mail").strip()
    assert re.fullmatch(r"http\S+/findings/\S+\?token=ecrr_\S{49}", url)
    assert "mail" in done(stack.url, "feed", "tokens", "Team A")
    done(stack.url, "feed", "revoke", "Team A", "mail")
    assert "mail" not in done(stack.url, "feed", "tokens", "Team A", "--json")
    first, second = (done(stack.url, "dashboard", "--print") for _ in range(2))
    assert first != second
    assert len(json.loads(done(stack.url, "dashboard", "tokens", "--json"))) == 1
    assert re.fullmatch(r"ecrr_\S{49}", done(stack.url, "gate-token", "new", "ci").strip())
    done(stack.url, "gate-token", "revoke", "ci")
    assert against(stack.url, "gate-token", "revoke", "ci").code == 3


@pytest.mark.parametrize("command", [("list",), ("summary",), ("findings",), ("where", "CVE-2026-1"), ("ignored",)])
def test_every_listing_has_json_and_csv(stack: LocalStack, command: tuple[str, ...]) -> None:
    """Both can be read."""
    assert isinstance(json.loads(done(stack.url, *command, "--json")), list | dict)
    table = list(csv.reader(io.StringIO(done(stack.url, *command, "--csv"))))
    assert len({len(row) for row in table}) == 1


def test_doctor_tells_what_the_summary_knows(stack: LocalStack) -> None:
    """0 where nothing is wrong, 1 where something is."""
    assert "Nothing is wrong" in done(stack.url, "doctor")
    done(stack.url, "add", "team-a/missing", "--yes")
    ran = against(stack.url, "doctor")
    assert (ran.code, "not seen in the registry yet" in ran.out) == (1, True)
    done(stack.url, "remove", "missing", "--yes")


def test_somebody_else_s_change_in_between_is_not_overwritten(
    stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was seen is what is changed, or nothing is."""
    from cli import configs

    find = configs.find

    def slow(*arguments: object) -> object:
        seen = find(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(configs, "find", find)
        done(stack.url, "change", "Team A", "--owner", "somebody")
        return seen

    monkeypatch.setattr(configs, "find", slow)
    ran = against(stack.url, "change", "Team A", "--owner", "me")
    assert (ran.code, "somebody else changed it" in ran.err) == (1, True)
    assert json.loads(done(stack.url, "show", "Team A", "--json"))["owner"] == "somebody"


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_is_a_script(shell: str) -> None:
    """Made by the command itself."""
    assert "_ECR_RESCAN_COMPLETE" in run("completion", shell).out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("list",), 3, "where is the API?"),
        (("list", "--url", "example.com"), 3, "is no URL of an API"),
        (("list", "--url", "http://example.com"), 3, "is not https"),
        (("lst",), 3, "No such command"),
        (("list", "--jsno"), 3, "No such option"),
        (("add",), 3, "Missing argument"),
    ],
)
def test_wrong_usage_is_told_in_a_line(arguments: tuple[str, ...], code: int, told: str) -> None:
    """And is 3."""
    ran = run(*arguments)
    assert (ran.code, told in ran.err, ran.err.count("\n")) == (code, True, 1), ran


@pytest.mark.parametrize("arguments", [("rebuild",), ("rebuild", "--aply"), ("import-sample",)])
def test_nothing_but_the_gate_ends_with_its_no(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """What these two are given goes past the parser of all the others."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr().err
    assert (ended.value.code, said.count("\n"), f"See ecr-rescan {arguments[0]} --help" in said) == (3, 1, True)


@pytest.mark.parametrize("columns", [40, 80])
def test_a_narrow_terminal_cuts_no_cell_and_says_what_is_left_out(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An id that is cut can't be looked for, and a place that is missing without a word is taken for none."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    row = ("INFORMATIONAL", "CVE-2026-1234567", "libsystemd0", "team-a/a, team-b/b", 12, "2026-11-30", "0.99 %")
    names = ("severity", "vulnerability", "package", "where", "images", "since", "score")
    tables.show(names, [row], empty="", foldable=("where",))
    said = capsys.readouterr()
    text = re.sub(r"\x1b\[[0-9;]*m", "", said.out)
    assert all(len(line) <= columns for line in text.splitlines())
    assert "…" not in text
    left_out = said.err.partition(": ")[2].strip(".\n").split(", ")
    shown = [name for name in names if name not in left_out]
    assert text.split("\n")[0].split() == shown
    assert all(part in text for name in shown for part in str(row[names.index(name)]).split())
    assert shown[:2] == ["severity", "vulnerability"]
    assert ("where" in shown) == (columns == 80)


def test_the_readme_s_commands_are_the_command_s(stack: LocalStack) -> None:
    """Every one that the documents show is understood: --help of it ends with 0."""
    texts = [path.read_text() for path in (Path("README.md"), *Path("docs").glob("*.md"))]
    blocks = [block for text in texts for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)]
    named = {name for block in blocks for name in re.findall(r"^ecr-rescan ([a-z-]+)", block, re.MULTILINE)}
    assert {"add", "findings", "ignore", "gate"} <= named
    for name in named - {"rebuild", "import-sample"}:
        assert run(name, "--help").code == 0, name


def test_whoever_pastes_the_readme_s_walkthrough_adds_one_configuration() -> None:
    """With two, `ignore` and `remove` would have to be told which; the same by curl is a comment."""
    walkthrough = Path("README.md").read_text().partition("## Try it here")[2].partition("\n## ")[0]
    commands = [line.partition(" # ")[0].rstrip() for line in walkthrough.splitlines()]
    added = [one for one in commands if re.match(r"(?:ecr-rescan add|curl .*/configs)\b", one)]
    assert added == ["ecr-rescan add 'team-a/*' --newest 5"]
