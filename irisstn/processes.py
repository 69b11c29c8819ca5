"""Set-up of worker processes."""

from __future__ import annotations

import multiprocessing
import os
import threading


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
