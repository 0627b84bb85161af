"""The forms of a message: text for mails, JSON for machines, Amazon Q Developer's notifications for chats.

Each form has a share of SNS's 256 KB to itself, and lists as many items, in their order, as that holds; it says how
many are left out. The same notice always gives the same bytes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar
from urllib.parse import quote, urlencode

from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.severity import Severity
from ecr_rescan.core.text import clean, cut, without_links
from ecr_rescan.core.times import to_text

SCHEMA = 1
"""Of the JSON for machines."""

MACHINE_BYTES = 140_000
MAIL_BYTES = 70_000
DEPLOYMENT = "deployment"
"""In the place of a configuration's id, where a message is about none."""

CHAT_CHARACTERS = 8_000
"""Amazon Q Developer in chat applications, custom notifications: the longest description."""

_SENTENCE_CHARACTERS = 700
_TITLE_CHARACTERS = 200
_SMS_CHARACTERS = 140
_REPOSITORIES_BYTES = 8_000
_NAME = 256
_NAMESPACE = uuid.UUID("2f0b86d5-3c55-5d0e-8a0f-4ad0f93f6f0b")

# Look-alikes of what makes markup or mentions live in Slack and Teams, inside of code, too.
_INERT = str.maketrans({"`": "'", "<": "‹", ">": "›", "&": "＆", "@": "＠", "|": "¦"})
_EMPHASIS = str.maketrans({"[": "［", "]": "］", "*": "∗", "_": "＿", "~": "～", "#": "＃"})

T = TypeVar("T")


class Item(Protocol):
    """One thing that a message names; nothing live is left in any of its forms.

    ``member`` is the list that it belongs to in the JSON for machines: ``suppressions`` or ``alerts``.
    """

    @property
    def member(self) -> str: ...
    def mail(self) -> str: ...
    def chat(self) -> str: ...
    def wire(self) -> Mapping[str, object]: ...


@dataclass(frozen=True, slots=True)
class Message:
    """One message to a topic: ``forms`` by SNS's names of protocols, ``attributes`` for subscribers' filters."""

    subject: str
    forms: Mapping[str, str]
    attributes: Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Notice:
    """What a message is to say.

    ``identity``: what makes it this message, so that one that is sent twice has one id. ``sentences``: the beginning, a
    few of them. ``members``: more of the JSON for machines. ``items``: in the order in which they are to be named.
    """

    type: str
    identity: Sequence[str]
    at: datetime
    subject: str
    sentences: Sequence[str]
    severity: Severity | None
    changes: Sequence[str]
    repositories: Sequence[str]
    members: Mapping[str, object]
    items: Sequence[Item] = field(default_factory=tuple)


class Pages:
    """Links to pages of the dashboard, which open in a browser that has been in before."""

    def __init__(self, configuration: ScanConfiguration | None, base_url: str | None) -> None:
        path = "/dashboard" + (f"/{configuration.id}" if configuration else "")
        self.dashboard = f"{base_url}{path}" if base_url else None

    def of(self, vulnerability: str, package: str) -> str | None:
        """The page of a vulnerability in a package; None where the API's address is not known, or a name is no name."""
        asked = {"cve": vulnerability} | ({"package": package} if package else {})
        if self.dashboard is None or any(len(text) > _NAME or not text.isprintable() for text in asked.values()):
            return None
        return f"{self.dashboard}?{urlencode(asked)}"


def forms(configuration: ScanConfiguration | None, notice: Notice, base_url: str | None) -> Message:
    """Put a notice into every form. All of it, with its attributes, is within SNS's 256 KB.

    ``configuration``: None where it is about the whole deployment, as its dashboard is.
    """
    about = configuration.id if configuration else DEPLOYMENT
    message_id = str(uuid.uuid5(_NAMESPACE, "\x1f".join((about, notice.type, *notice.identity))))
    summary = f"{base_url}/summary" + (f"/{about}" if configuration else "") if base_url else None
    where = Pages(configuration, base_url).dashboard
    return Message(
        subject=notice.subject,
        forms={
            "default": _machine(configuration, notice, message_id, summary, where),
            "email": _mail(configuration, notice, message_id, where),
            "https": _chat(configuration, notice, message_id, where),
            "sms": cut(plain(notice.subject, 500), _SMS_CHARACTERS),
        },
        attributes={
            "configuration": about,
            "owner": clean((configuration and configuration.owner) or "", 256),
            "severity": notice.severity.value if notice.severity else "NONE",
            "changes": list(notice.changes),
            "repositories": _named(notice.repositories),
        },
    )


def plain(text: str, limit: int) -> str:
    """Foreign text for a mail: on one line, and with nothing that a mail program makes a link of."""
    return without_links(clean(text, limit))


def code(text: str, limit: int) -> str:
    """Foreign text for a chat: as code, where markdown is not live, without what still is there."""
    return f"`{clean(text, limit).translate(_INERT) or ' '}`"


def _title(text: str) -> str:
    """Foreign text for a chat's title, which can't be code: no link, mention or emphasis comes to life in it."""
    return without_links(clean(text, _TITLE_CHARACTERS).translate(_INERT | _EMPHASIS))


def code_link(link: str) -> str:
    """A safe link for a chat, without characters that markdown or mentions are made of."""
    return quote(link, safe=":/?#=%&;,+")


def _machine(
    configuration: ScanConfiguration | None, notice: Notice, message_id: str, summary: str | None, where: str | None
) -> str:
    wire: dict[str, object] = {
        "schema": SCHEMA,
        "id": message_id,
        "type": notice.type,
        "at": to_text(notice.at),
        "configuration": {
            "id": configuration.id,
            "description": configuration.description and clean(configuration.description, 500),
            "owner": configuration.owner and clean(configuration.owner, 256),
            "registry": configuration.registry,
            "region": configuration.region,
        }
        if configuration
        else None,
        "summary_url": summary,
        "dashboard_url": where,
        "severity": notice.severity,
        "changes": list(notice.changes),
        **notice.members,
    }
    room = MACHINE_BYTES - _wire_size(_dumped(wire))
    listed = _fitting(notice.items, lambda item: item.wire(), lambda item: _wire_size(_dumped(item)) + 1, room - 100)
    named: dict[str, list[Mapping[str, object]]] = {"suppressions": [], "alerts": []}
    for item, form in zip(notice.items, listed, strict=False):
        named[item.member].append(form)
    return _dumped({**wire, **named, "more": len(notice.items) - len(listed)})


def _mail(configuration: ScanConfiguration | None, notice: Notice, message_id: str, where: str | None) -> str:
    intro = "\n".join(map(without_links, notice.sentences))
    about = f"configuration {configuration.id}" if configuration else "the dashboard"
    ending = f"Everything: {where or about}\nMessage {message_id}"
    if configuration and any(item.member == "alerts" for item in notice.items):
        ignoring = f"ecr-rescan ignore VULNERABILITY --package PACKAGE --reason WHY --in {configuration.id}"
        ending = f"To ignore one: {ignoring}\n{ending}"
    room = MAIL_BYTES - _wire_size(intro) - _wire_size(ending) - 100
    listed = _fitting(notice.items, lambda item: item.mail(), lambda text: _wire_size(text) + 4, room)
    left_out = len(notice.items) - len(listed)
    blocks = [intro, *listed, *([f"and {left_out} more"] if left_out else []), ending]
    return "\n\n".join(blocks)


def _chat(configuration: ScanConfiguration | None, notice: Notice, message_id: str, where: str | None) -> str:
    """Amazon Q Developer in chat applications, custom notifications, event schema 1.0."""
    intro = "\n".join(code(sentence, _SENTENCE_CHARACTERS) for sentence in notice.sentences)
    room = CHAT_CHARACTERS - len(intro) - 30
    listed = _fitting(notice.items, lambda item: item.chat(), lambda text: len(text) + 1, room)
    left_out = len(notice.items) - len(listed)
    lines = [intro, *listed, *([f"and {left_out} more"] if left_out else [])]
    content: dict[str, object] = {
        "textType": "client-markdown",
        "title": _title(notice.subject),
        "description": "\n".join(lines),
    }
    if where:
        content["nextSteps"] = [f"Everything: {where}"]
    about = configuration.id if configuration else DEPLOYMENT
    related = [f"{configuration.registry}/{configuration.region}"] if configuration else []
    notification = {
        "version": "1.0",
        "source": "custom",
        "id": message_id,
        "content": content,
        "metadata": {
            "threadId": about,
            "summary": _title(notice.subject),
            "eventType": f"ecr-rescan {notice.type}",
            "relatedResources": related,
            "additionalContext": {"configuration": about, "message": message_id},
        },
    }
    return _dumped(notification)


def _fitting(items: Sequence[Item], form: Callable[[Item], T], size: Callable[[T], int], room: int) -> list[T]:
    """The forms of the first items, as many as there is room for."""
    listed: list[T] = []
    for item in items:
        made = form(item)
        room -= size(made)
        if room < 0:
            break
        listed.append(made)
    return listed


def _named(repositories: Sequence[str]) -> list[str]:
    """For the attribute: as many as it holds, and ``*`` where there are more."""
    named: list[str] = []
    room = _REPOSITORIES_BYTES
    for repository in repositories:
        name = clean(repository, 256)
        room -= len(name.encode()) + 3
        if room < 0:
            return [*named, "*"]
        named.append(name)
    return named


def _dumped(wire: object) -> str:
    return json.dumps(wire, ensure_ascii=False, separators=(",", ":"))


def _wire_size(text: str) -> int:
    """Bytes of a text as a member of SNS's structure."""
    return len(json.dumps(text, ensure_ascii=False).encode())
