"""Runs one function in a process of its own, as Lambda does; started by ``local.functions``, never by hand.

Events and answers are lines of JSON on two pipes of their own; standard output and error are the function's log.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from local.clock import Rate


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda's Python runtime passes as the second argument of a handler."""

    aws_request_id: str
    function_name: str
    function_version: str
    invoked_function_arn: str
    memory_limit_in_mb: str
    log_group_name: str
    log_stream_name: str
    deadline: float

    def get_remaining_time_in_millis(self) -> int:
        """Real milliseconds until the function is ended."""
        return max(0, int((self.deadline - time.monotonic()) * 1000))


class VirtualTime:
    """The clock of the invocation at hand; what ``ecr_rescan.runtime.clock`` reads instead of the machine's."""

    def __init__(self, rate: str) -> None:
        self.rate = Rate.from_text(rate)

    def now(self) -> datetime:
        """The virtual instant, aware UTC."""
        return self.rate.now()


def _prepare_imports(paths: list[str]) -> None:
    # As in Lambda: the function's own folder, its layers, the installed packages; nothing else of the project.
    project = Path(__file__).resolve().parents[1]
    sys.path[:] = paths + [entry for entry in sys.path if entry and Path(entry).resolve() != project]
    os.chdir(paths[0])


def _read_requests(requests: IO[str], waiting: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in requests:
        waiting.put(json.loads(line))
    # The stack is gone, however it ended: a function must not outlive it, even in the middle of an event.
    os._exit(0)


def _failure(error: BaseException) -> dict[str, Any]:
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_exception(error),
    }


def main(arguments: list[str]) -> None:
    """Load the handler and answer events until the pipe closes.

    Args:
        arguments: descriptors of the two pipes, the virtual clock's rate, the handler, the import paths.
    """
    # The interrupt of a terminal reaches the whole group; the stack then ends its functions itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    receive, send, rate, handler_name, *paths = arguments
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    requests = os.fdopen(int(receive), encoding="utf-8")
    threading.Thread(target=_read_requests, args=(requests, waiting), daemon=True).start()
    answers = os.fdopen(int(send), "w", encoding="utf-8")
    virtual_time = VirtualTime(rate)
    _prepare_imports(paths)
    try:
        if importlib.util.find_spec("ecr_rescan") is not None:
            importlib.import_module("ecr_rescan.runtime.clock").use(virtual_time.now)
        module, _, function = handler_name.rpartition(".")
        handler = getattr(importlib.import_module(module), function)
    except BaseException as error:
        traceback.print_exc()
        print(json.dumps({"failed": _failure(error)}), file=answers, flush=True)
        return
    print(json.dumps({"ready": True}), file=answers, flush=True)
    while True:
        request = waiting.get()
        virtual_time.rate = Rate.from_text(request["rate"])
        context = Context(**request["context"], deadline=time.monotonic() + request["seconds"])
        answer: dict[str, Any]
        try:
            answer = {"answer": handler(request["event"], context)}
            text = json.dumps(answer)
        except Exception as error:
            traceback.print_exc()
            text = json.dumps({"failed": _failure(error)})
        sys.stdout.flush()
        sys.stderr.flush()
        print(text, file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
