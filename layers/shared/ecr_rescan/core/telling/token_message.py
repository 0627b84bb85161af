"""The message that tokens will open nothing any more soon."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ecr_rescan.core.configuration import ScanConfiguration
from ecr_rescan.core.telling.message import name_of, whole_name_of
from ecr_rescan.core.telling.message_forms import Message, Notice, forms
from ecr_rescan.core.tokens import NamedToken


def tokens_message(
    configuration: ScanConfiguration | None, ending: Sequence[NamedToken], base_url: str | None, now: datetime
) -> Message:
    """One message for the tokens of a configuration, or, with None, of the dashboard, that end soon.

    It has their names and last days, which is all that it knows of them.
    """
    ordered = sorted(ending, key=lambda token: (str(token.expires), token.name))
    several = "1 token" if len(ordered) == 1 else f"{len(ordered)} tokens"
    path = f"/configs/{configuration.id}/tokens" if configuration else "/dashboard/tokens"
    whose = whole_name_of(configuration) if configuration else "the dashboard"
    notice = Notice(
        type="tokens",
        identity=[f"{token.fingerprint} {token.expires}" for token in ordered],
        at=now,
        subject=f"{several} about to end: {name_of(configuration) if configuration else 'the dashboard'}",
        sentences=(
            f"{several} of {whose} will soon open nothing any more.",
            *(f"{token.name}: {token.expires} is its last day (UTC)." for token in ordered),
            f"Whoever uses one needs another: POST {path} makes it.",
        ),
        severity=None,
        changes=["token-ending"],
        repositories=[],
        members={"tokens": [{"name": token.name, "expires": str(token.expires)} for token in ordered]},
    )
    return forms(configuration, notice, base_url)
