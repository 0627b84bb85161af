"""The arguments of commands that do not go through the API."""

from __future__ import annotations

import argparse
from typing import NoReturn

from cli.errors import USAGE


class Parser(argparse.ArgumentParser):
    """One whose errors are a line and end with this command's code for wrong usage: 2 is the gate's no."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and which help says how it is right."""
        self.exit(USAGE, f"{self.prog}: {message}. See {self.prog} --help\n")
