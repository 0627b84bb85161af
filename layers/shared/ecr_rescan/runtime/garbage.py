"""Work that builds a great many objects, kept out of the garbage collector's way."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Make what is built inside no business of the garbage collector.

    Documents have no cycles, but hundreds of them are millions of objects, and looking through these time and again
    takes longer than parsing them.
    """
    # Before anything was kept, there is nothing but what was imported, and looking through that takes 40 ms.
    if gc.get_freeze_count():
        gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
