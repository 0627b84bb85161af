"""Headless Chromium, driven by its DevTools protocol over a pipe: no driver, no port, and nothing installed besides.

DevTools protocol: messages in JSON, each ended by a NUL, on the file descriptors 3 (to Chromium) and 4 (from it).
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ANSWER_SECONDS = 60.0
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
)


_MOVE = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)


class NoChromiumError(RuntimeError):
    """There is no Chromium on this machine."""


class ChromiumError(RuntimeError):
    """Chromium refused a command, or ended."""


class Tab:
    """One page, with all that it requested and complained of since it was last opened.

    Attributes:
        requests: the URL of every request.
        complaints: what the console was told, errors of the network and of the security policy included.
    """

    def __init__(self, pipe: _Pipe, session: str) -> None:
        self._pipe = pipe
        self._session = session
        self.requests: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Network", "Log", "Runtime", "DOM", "Accessibility"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command and its answer."""
        answer, events = self._pipe.send(method, parameters, self._session)
        for event in events:
            self._note(event)
        return answer

    def look(self, *, width: int, height: int, dark: bool = False, phone: bool = False) -> None:
        """Set the size of the window, in CSS pixels, and the colour scheme that the person prefers."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> None:
        """Go to a page and wait until it is loaded."""
        self.requests.clear()
        self.complaints.clear()
        answer = self.send("Page.navigate", url=url)
        if "errorText" in answer:
            raise ChromiumError(f"{url}: {answer['errorText']}")
        self._wait_loaded()

    def act(self, script: str) -> None:
        """Do something that leads to another page, and wait until that is loaded."""
        self._pipe.loaded = False
        self.send("Runtime.evaluate", expression=script)
        self._wait_loaded()

    def press(self, key: str, code: int) -> None:
        """Press a key, such as ``Tab`` (9) or ``Enter`` (13)."""
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives. The debugger may, although the page's policy lets no script run."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise ChromiumError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def accessible(self) -> list[tuple[str, str]]:
        """(role, name) of everything that a screen reader is told."""
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], str(node.get("name", {}).get("value", ""))) for node in nodes if not node["ignored"]
        ]

    def screenshot(self, path: Path, *, height: int | None = None) -> None:
        """The page as a PNG: all of it, or its uppermost ``height`` pixels."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], height or 16_000), "scale": 1}
        answer = self.send("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def _wait_loaded(self) -> None:
        for event in self._pipe.wait_loaded():
            self._note(event)
        # A command later, everything that loading caused has been told.
        self.send("Runtime.evaluate", expression="1")

    def _note(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        if event["method"] == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif event["method"] == "Log.entryAdded":
            self.complaints.append(parameters["entry"]["text"])
        elif event["method"] in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            self.complaints.append(json.dumps(parameters))


class _Pipe:
    """The two ends of the protocol."""

    def __init__(self, process: subprocess.Popen[bytes], to: int, answers: int) -> None:
        self._process = process
        self._to = to
        self._answers = answers
        self._read = b""
        self._last = 0
        self.loaded = False

    def send(
        self, method: str, parameters: dict[str, Any], session: str | None = None
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """A command's answer, and the events that came before it."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        if method == "Page.navigate":
            self.loaded = False
        os.write(self._to, json.dumps(message).encode() + b"\0")
        events = []
        while True:
            received = self._receive()
            if received.get("id") == self._last:
                if "error" in received:
                    raise ChromiumError(f"{method}: {received['error']['message']}")
                answer: dict[str, Any] = received["result"]
                return answer, events
            if "method" in received:
                events.append(received)

    def wait_loaded(self) -> list[dict[str, Any]]:
        """The events until the page is loaded."""
        events = []
        while not self.loaded:
            events.append(self._receive())
        return [event for event in events if "method" in event]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            if not select.select([self._answers], [], [], ANSWER_SECONDS)[0]:
                raise ChromiumError("Chromium does not answer")
            part = os.read(self._answers, 1 << 20)
            if not part:
                raise ChromiumError("Chromium ended")
            self._read += part
        line, _, self._read = self._read.partition(b"\0")
        received: dict[str, Any] = json.loads(line)
        if received.get("method") == "Page.loadEventFired":
            self.loaded = True
        return received


def find() -> str:
    """The Chromium of this machine; NoChromiumError where there is none."""
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    raise NoChromiumError(f"none of {', '.join(NAMES)} is on the PATH; on Debian: apt-get install chromium")


@contextlib.contextmanager
def tab() -> Iterator[Tab]:
    """A fresh browser with one empty page; it ends with the block."""
    program = find()
    to_read, to = os.pipe()
    answers, answers_write = os.pipe()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        # Out of the way of 3 and 4, to which they are moved in the new process.
        theirs = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10) for descriptor in (to_read, answers_write)]
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _MOVE,
                *map(str, theirs),
                program,
                *FLAGS,
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            pass_fds=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for descriptor in (to_read, answers_write, *theirs):
            os.close(descriptor)
        try:
            pipe = _Pipe(process, to, answers)
            target = pipe.send("Target.createTarget", {"url": "about:blank"})[0]["targetId"]
            session = pipe.send("Target.attachToTarget", {"targetId": target, "flatten": True})[0]["sessionId"]
            yield Tab(pipe, session)
            with contextlib.suppress(ChromiumError, OSError):
                pipe.send("Browser.close", {})
        finally:
            os.close(to)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(answers)
