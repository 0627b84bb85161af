"""What ends the command before it is done, and its exit codes."""

from __future__ import annotations

DONE = 0
TROUBLE = 1
"""No answer, an unknown verdict, something is wrong."""

FAILED = 2
"""The gate says no; nothing else ends so."""

USAGE = 3


class CommandError(Exception):
    """The command can't go on; the message is one line that says what to do."""

    exit_code = TROUBLE


class UsageError(CommandError):
    """What was asked for makes no sense, or is not there."""

    exit_code = USAGE


class NoAnswerError(CommandError):
    """The API can't be reached, or failed."""
