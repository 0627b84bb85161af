"""Writes HTML in which nothing can be forgotten to be escaped: text is escaped, and only ``Html`` is markup."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias, Union

from ecr_rescan.core.text import clean

_VOID = frozenset({"meta", "link", "input"})
_LONGEST_TEXT = 2_000

Child: TypeAlias = Union[str, "Html", None, Iterable["Child"]]


class Html(str):
    """Markup, to be sent as it is. Only ``tag`` and ``raw`` make it."""

    __slots__ = ()


def raw(markup: str) -> Html:
    """Markup that was written by hand; never anything that came from outside."""
    return Html(markup)


def tag(element: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Html:
    """An element. ``class_`` stands for ``class`` and ``aria_label`` for ``aria-label``; None and False leave out."""
    shown = "".join(_attribute(key, value) for key, value in attributes.items())
    if element in _VOID:
        return Html(f"<{element}{shown}>")
    return Html(f"<{element}{shown}>{''.join(map(_content, children))}</{element}>")


def _attribute(key: str, value: str | int | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(clean(str(value), _LONGEST_TEXT))}"'


def _content(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        # Cleaning trims, but a blank between text and an element counts.
        before, after = " " if child[:1] == " " else "", " " if child[1:] and child[-1:] == " " else ""
        return f"{before}{escape(clean(child, _LONGEST_TEXT))}{after}"
    return "".join(map(_content, child))
