"""Set-up of the processes that work through many pictures, and the pool of those that render eyes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait

import cv2
import numpy as np

from irisstn.errors import IrisError

_KEPT_BYTES = 30 << 20  # the GNU C library follows blocks of up to 32 MiB


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next arrays, up to twice `_KEPT_BYTES`.

    By default the GNU C library gives the memory of each array of a picture's size back to the system, which has to
    clear it page by page when the next array takes it: about 4 % of the time of a picture. Once a large block was
    freed, it keeps what is smaller. Other C libraries are not affected.
    """
    np.empty(_KEPT_BYTES, np.uint8)  # not written to, so it takes no memory


def end_with_parent(also: Connection | None = None) -> None:
    """Let this process exit as soon as its parent does, for whatever reason the parent exits.

    Without it, the workers of a killed run would wait for work for ever, or write while the next run does.

    Parameters
    ----------
    also : Connection, optional
        This process exits as well when the other end of this connection is closed.
    """
    parent = multiprocessing.parent_process()
    ends: list[Connection | int] = [] if also is None else [also]
    if parent is not None:
        ends.append(parent.sentinel)

    def watch() -> None:
        if ends:
            wait(ends)
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def rendering_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that render eyes into files, one OpenCV thread each.

    When the context ends they end at once, whatever they are doing, so what they write must be atomic. Ctrl-C ends
    them through this process, because each would otherwise print a traceback.

    Parameters
    ----------
    workers : int
        Number of processes.

    Yields
    ------
    ProcessPoolExecutor
        The pool.

    Raises
    ------
    IrisError
        A process ended by itself, and the context with its BrokenProcessPool.
    """
    theirs, ours = multiprocessing.Pipe(duplex=False)
    # Spawned, not forked: a fork of a process with the threads of torch or OpenCV can deadlock.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, context, _start_rendering, (theirs,)) as pool:
            try:
                yield pool
            finally:
                ours.close()
                pool.shutdown(cancel_futures=True)
    except BrokenProcessPool:
        reason = "a process that renders eyes was killed, or had too little memory: give the command again to continue"
        raise IrisError(reason, stage="process") from None
    finally:
        theirs.close()


def _start_rendering(until_closed: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(until_closed)
    cv2.setNumThreads(1)
