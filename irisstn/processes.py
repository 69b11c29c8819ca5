"""Set-up of the processes that work through many pictures."""

from __future__ import annotations

import multiprocessing
import os
import threading

import numpy as np

_KEPT_BYTES = 30 << 20  # the GNU C library follows blocks of up to 32 MiB


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next arrays, up to twice `_KEPT_BYTES`.

    By default the GNU C library gives the memory of each array of a picture's size back to the system, which has to
    clear it page by page when the next array takes it: about 4 % of the time of a picture. Once a large block was
    freed, it keeps what is smaller. Other C libraries are not affected.
    """
    np.empty(_KEPT_BYTES, np.uint8)  # not written to, so it takes no memory


def end_with_parent() -> None:
    """Let this process exit as soon as its parent does, for whatever reason the parent exits.

    Without it, the workers of a killed run would wait for work for ever, or write while the next run does.
    """
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
