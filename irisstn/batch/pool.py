"""Worker processes that survive each other: one that crashes or hangs costs its input, not the run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path

import cv2

from irisstn.batch.job import Job
from irisstn.batch.worker import Outcome, Task, do_task
from irisstn.errors import IrisError
from irisstn.outputs import Record

_AHEAD = 2  # tasks a worker holds: the one it does and the next, so that it never waits for us


@dataclass
class Stop:
    """Whether the run is to end early: by a `signal` or because the caller set `wanted`."""

    wanted: bool = False
    signal: int | None = None


@contextmanager
def stop_on_signals(stop: Stop) -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into `stop`; a second one ends the process as usual. Main thread only."""

    def request(number: int, _: object) -> None:
        stop.wanted, stop.signal = True, number
        signal.signal(number, earlier[signal.Signals(number)])

    earlier = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(ValueError):  # not the main thread: its owner handles signals
                earlier[number] = signal.signal(number, request)
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def run_here(tasks: Iterator[Task], job: Job, out: Path, scratch: Path, stop: Stop) -> Iterator[Outcome]:
    """Do `tasks` in this process, on one thread, until `stop`."""
    with one_thread(), job.start() as process:
        for task in tasks:
            if stop.wanted:
                return
            yield do_task(task, process, out, scratch)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let OpenCV use one thread, since pictures are done side by side, and be silent: errors go into the records."""
    threads, level = cv2.getNumThreads(), cv2.utils.logging.getLogLevel()
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
        cv2.utils.logging.setLogLevel(level)


@dataclass
class _Worker:
    process: multiprocessing.process.BaseProcess
    connection: Connection
    pending: deque[Task] = field(default_factory=deque)
    ready: bool = False
    since: float = field(default_factory=time.monotonic)


def run_in_processes(
    tasks: Iterator[Task], job: Job, out: Path, scratch: Path, stop: Stop, *, workers: int, limit_s: float
) -> Iterator[Outcome]:
    """Do `tasks` in `workers` processes until `stop`; outcomes come as they are ready.

    An input whose worker dies, or takes longer than `limit_s`, is recorded as failed; a new worker takes over. Raises
    IrisError where the job cannot start, such as for a damaged weights file.
    """
    # Not fork: a copy of a process whose libraries run threads may hang. Spawn is what every system has.
    context = multiprocessing.get_context("spawn")
    team = [_start(context, job, out, scratch) for _ in range(workers)]
    again: deque[Task] = deque()
    try:
        while True:
            _hand_out(team, tasks, again, stop)
            busy: dict[object, _Worker] = {worker.connection: worker for worker in team if worker.pending}
            if not busy:
                return
            for connection in wait([worker.connection for worker in busy.values()], timeout=1.0):
                yield from _receive(busy[connection], team, again, (context, job, out, scratch))
            for worker in [worker for worker in team if worker.pending and time.monotonic() - worker.since > limit_s]:
                worker.process.kill()
                yield _lost(worker, team, again, (context, job, out, scratch), f"took longer than {limit_s:g} s")
    finally:
        for worker in team:
            worker.connection.close()  # which tells it to end
        for worker in team:
            worker.process.join(5)
            worker.process.kill()


_Setup = tuple[multiprocessing.context.SpawnContext, Job, Path, Path]


def _start(context: multiprocessing.context.SpawnContext, job: Job, out: Path, scratch: Path) -> _Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, job, out, scratch), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _hand_out(team: list[_Worker], tasks: Iterator[Task], again: deque[Task], stop: Stop) -> None:
    for _ in range(_AHEAD):
        for worker in team:
            if stop.wanted or len(worker.pending) >= _AHEAD:
                continue
            task = again.popleft() if again else next(tasks, None)
            if task is None:
                return
            if not worker.pending:
                worker.since = time.monotonic()
            worker.pending.append(task)
            with suppress(OSError):  # it has died: its connection will say so
                worker.connection.send(task)


def _receive(worker: _Worker, team: list[_Worker], again: deque[Task], setup: _Setup) -> Iterator[Outcome]:
    try:
        message = worker.connection.recv()
    except (EOFError, OSError):
        worker.process.join(5)
        code = worker.process.exitcode
        if not worker.ready:
            raise RuntimeError(f"a worker process ended before its first picture (exit code {code})") from None
        yield _lost(worker, team, again, setup, f"ended the worker process (exit code {code})")
        return
    worker.since = time.monotonic()
    if isinstance(message, IrisError):
        raise message
    worker.ready = True
    if isinstance(message, Outcome):
        worker.pending.popleft()
        yield message


def _lost(worker: _Worker, team: list[_Worker], again: deque[Task], setup: _Setup, reason: str) -> Outcome:
    """Replace a worker that died or was killed; the input it was at has failed, the next one is done again."""
    task = worker.pending.popleft()
    again.extend(worker.pending)
    worker.connection.close()
    team[team.index(worker)] = _start(*setup)
    seconds = round(time.monotonic() - worker.since, 4)
    record: Record = {"path": task.name, "status": "failed", "stage": "process", "reason": reason, "seconds": seconds}
    return Outcome(task.name, (record,))


def _work(connection: Connection, job: Job, out: Path, scratch: Path) -> None:
    """A worker's life: start, then a task at a time until the other end is closed."""
    # The terminal sends Ctrl-C to all of us; the parent alone decides when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with one_thread(), job.start() as process:
            connection.send(os.getpid())
            while True:
                connection.send(do_task(connection.recv(), process, out, scratch))
    except IrisError as error:
        connection.send(error)
    except (EOFError, OSError):
        return
