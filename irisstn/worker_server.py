"""A process from which worker processes are forked: it imports what they need while the command line still begins.

This module is imported before anything slow, so it needs the standard library alone.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path

LIMIT_S = 300.0  # seconds that one input may take in a worker process
INPUTS_PER_WORKER = 8  # the fewest inputs that justify the start of one more process
_THREADS = "OPENBLAS_NUM_THREADS"  # of NumPy's and OpenCV's linear algebra, which starts its threads when it is loaded


def start_worker_server(modules: Iterable[str]) -> bool:
    """Start a process that imports `modules`, and from which `multiprocessing` forks the worker processes.

    Workers then start within some milliseconds. A fork of a process with several threads may hang, so this one is kept
    at a single thread: `modules` must not start any when they are imported. Ctrl-C and SIGTERM, which may be sent to
    all processes of a command, do not end it or its workers; it ends with this process, or within a second, while it
    still imports. What it or its workers print is discarded, since who reads the output of the command would otherwise
    wait for that second as well.

    Parameters
    ----------
    modules : iterable of str
        Names of modules.

    Returns
    -------
    bool
        Whether it was started: only on Linux, where the libraries in use are known to bear a fork after the import.
    """
    if sys.platform != "linux":
        return False
    from multiprocessing import forkserver, resource_tracker  # noqa: PLC0415  (absent on Windows)

    multiprocessing.set_forkserver_preload(list(modules))
    try:
        resource_tracker.ensure_running()  # the server starts it otherwise, which lets signals through again
        with _environment(), _signals_blocked(), _output_discarded():
            forkserver.ensure_running()
    except OSError:  # too many processes or open files: the start of a worker says so
        return False
    return True


def enough_inputs(sources: Iterable[str], workers: int) -> bool:
    """Whether `workers` processes are worth their start: more than one, and inputs for two as far as can be told.

    Folders are looked through until there are enough files.
    """
    return workers > 1 and len(list(islice(_files(sources), 2 * INPUTS_PER_WORKER))) == 2 * INPUTS_PER_WORKER


def _files(sources: Iterable[str]) -> Iterator[str]:
    """The files in `sources`; a glob, a URL or a list may name any number."""
    folders: list[str] = []
    for source in sources:
        if Path(source).is_dir():
            folders.append(source)
        else:
            yield from [source] * (1 if _is_one_input(source) else 2 * INPUTS_PER_WORKER)
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:  # whoever lists the inputs reports the error
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    yield entry.path


def _is_one_input(source: str) -> bool:
    return Path(source).is_file() and not source.lower().endswith((".txt", ".csv"))


@contextmanager
def _environment() -> Iterator[None]:
    """Let processes that are started meanwhile import from where this one does, and do linear algebra on one thread.

    By itself the server would import from the current folder first: what lies beside pictures may be named like a
    module.
    """
    path = os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)
    given = {_THREADS: "1", "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _output_discarded() -> Iterator[None]:
    """Discard what processes that are started meanwhile print."""
    with ExitStack() as stack:
        null = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, null)
        for file in (1, 2):
            kept = os.dup(file)
            stack.callback(os.close, kept)
            os.dup2(null, file)
            stack.callback(os.dup2, kept, file)
        yield


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Block SIGINT and SIGTERM; processes that are started meanwhile never receive them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
