"""Work that builds a great many objects, kept out of the garbage collector's way."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_has_kept = False


@contextmanager
def uncollected(*, keeping: bool) -> Iterator[None]:
    """Make what is built inside no business of the garbage collector.

    Documents have no cycles, but hundreds of them are millions of objects, and looking through these time and again
    takes longer than parsing them.

    Args:
        keeping: whether what is built outlives the work, and is to be passed over from then on, too. botocore leaves
            200 bytes of cycles behind with every call, which are kept with it.
    """
    global _has_kept
    # Before anything was kept, there is nothing but what was imported, and looking through that takes 40 ms. Python
    # could be asked, but it counts all that is kept each time.
    if keeping and _has_kept:
        gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if keeping:
            gc.freeze()
            _has_kept = True
        gc.enable()
