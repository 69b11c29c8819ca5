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

import cv2

from irisstn.batch.jobs.job import Job
from irisstn.batch.task import Outcome, Task, remove_outputs, run_task
from irisstn.errors import IrisError
from irisstn.outputs.records import Record
from irisstn.processes import end_with_parent
from irisstn.storage.local import Storage

_QUEUED_PER_WORKER = 2  # tasks a worker holds: the one it does and the next, so that it never waits for us


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


def run_here(tasks: Iterator[Task], job: Job, storage: Storage, stop: Stop) -> Iterator[Outcome]:
    """Do `tasks` in this process, on one thread, until `stop`."""
    with one_thread(), job.start() as process:
        for task in tasks:
            if stop.wanted:
                return
            yield run_task(task, process, storage)


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

    @property
    def age(self) -> float:
        """Seconds at its present task; its own start does not count."""
        return time.monotonic() - self.since if self.ready and self.pending else 0.0


class WorkerPool:
    """Processes that do tasks of one `job`. An input whose process dies, or takes longer than `limit_s` seconds, fails;
    a new process takes over.
    """

    def __init__(self, job: Job, storage: Storage, *, workers: int, limit_s: float) -> None:
        self._job, self._storage, self._limit_s = job, storage, limit_s
        # Not fork: a copy of a process whose libraries run threads may hang. Spawn is what every system has.
        self._context = multiprocessing.get_context("spawn")
        self._again: deque[Task] = deque()
        self._workers: list[_Worker] = []
        for _ in range(workers):
            self._workers.append(self._start())

    def close(self) -> None:
        """End the processes, and whatever they are at."""
        for worker in self._workers:
            worker.connection.close()  # which tells it to end
        for worker in self._workers:
            worker.process.join(5)
            worker.process.kill()

    def do(self, tasks: Iterator[Task], stop: Stop) -> Iterator[Outcome]:
        """Do `tasks` until `stop`; outcomes come as they are ready.

        Raises IrisError where the job cannot start, such as for a damaged weights file.
        """
        while True:
            self._hand_out(tasks, stop)
            busy: dict[object, _Worker] = {worker.connection: worker for worker in self._workers if worker.pending}
            if not busy:
                return
            for connection in wait([worker.connection for worker in busy.values()], timeout=1.0):
                yield from self._receive(busy[connection])
            for worker in [worker for worker in self._workers if worker.age > self._limit_s]:
                worker.process.kill()
                yield self._lost(worker, f"took longer than {self._limit_s:g} s")

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, self._job, self._storage), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _hand_out(self, tasks: Iterator[Task], stop: Stop) -> None:
        for _ in range(_QUEUED_PER_WORKER):
            for worker in self._workers:
                if stop.wanted or len(worker.pending) >= _QUEUED_PER_WORKER:
                    continue
                task = self._again.popleft() if self._again else next(tasks, None)
                if task is None:
                    return
                if not worker.pending:
                    worker.since = time.monotonic()
                worker.pending.append(task)
                with suppress(OSError):  # it has died: its connection will say so
                    worker.connection.send(task)

    def _receive(self, worker: _Worker) -> Iterator[Outcome]:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join(5)
            code = worker.process.exitcode
            if not worker.ready:
                raise RuntimeError(f"a worker process ended before its first picture (exit code {code})") from None
            yield self._lost(worker, f"ended the worker process (exit code {code})")
            return
        worker.since = time.monotonic()
        if isinstance(message, IrisError):
            raise message
        worker.ready = True
        if isinstance(message, Outcome):
            worker.pending.popleft()
            yield message

    def _lost(self, worker: _Worker, reason: str) -> Outcome:
        """Replace a worker that died or was killed; its input has failed, the next one in its hands is done again."""
        seconds = round(time.monotonic() - worker.since, 4)
        task = worker.pending.popleft()
        self._again.extend(worker.pending)
        worker.connection.close()
        self._workers[self._workers.index(worker)] = self._start()
        remove_outputs(task, self._storage)
        record: Record = {"path": task.name, "status": "failed", "stage": "process", "reason": reason}
        return Outcome(task.name, ({**record, "seconds": seconds},))


def _work(connection: Connection, job: Job, storage: Storage) -> None:
    """A worker's life: start, then a task at a time until the other end is closed."""
    # The terminal sends Ctrl-C to all of us; the parent alone decides when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_with_parent()
    try:
        with one_thread(), job.start() as process:
            connection.send(os.getpid())
            # The decoders' C libraries remark on damaged files there, and name none: the records do.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            while True:
                connection.send(run_task(connection.recv(), process, storage))
    except IrisError as error:
        connection.send(error)
    except (EOFError, OSError):
        return
