"""Worker processes on this machine: when one crashes or takes too long, its input fails and the run goes on."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

import cv2

from irisstn.batch.interruption import Stop, TookTooLong, time_limit
from irisstn.batch.jobs.job import Job
from irisstn.batch.task import Outcome, SlowPictureError, Task, has_results, remove_outputs, run_task
from irisstn.errors import IrisError, MissingExtraError, one_line
from irisstn.extras import missing_package
from irisstn.outputs.records import Record
from irisstn.processes import end_with_parent, keep_freed_memory
from irisstn.storage.local import Storage

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

_QUEUED_PER_WORKER = 2  # tasks sent to a worker: the current one and the next, so that it never waits
_POLL_S = 0.2  # how often the limit and signals are looked at


def run_here(
    tasks: Iterator[Task], job: Job, storage: Storage, stop: Stop, *, limit_s: float, slow_apart: bool
) -> Iterator[Outcome]:
    """Run `tasks` one after the other in this process, on one thread, until `stop` is set; yields their outcomes.

    With `slow_apart`, pictures that may take long to decode are left to one worker process, which can be ended while a
    decoder works. It is started when the first of them comes.
    """
    keep_freed_memory()
    with ExitStack() as stack:
        stack.enter_context(one_opencv_thread())
        process = stack.enter_context(job.start())
        pool: WorkerPool | None = None
        for task in tasks:
            if stop.wanted:
                return
            started = time.monotonic()
            try:
                with time_limit(limit_s):
                    outcome = run_task(task, process, storage, slow_apart=slow_apart)
            except TookTooLong:
                if stop.wanted:
                    return
                outcome = _ended(task, storage, f"took longer than {limit_s:g} s", started)
            except SlowPictureError:
                if pool is None:
                    pool = stack.enter_context(closing(WorkerPool(job, storage, workers=1, limit_s=limit_s)))
                yield from pool.run(iter([task]), stop)
                continue
            yield outcome


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Limit OpenCV to one thread and silence its log, while the context lasts.

    Inputs are processed in parallel by processes, and the records hold the errors.
    """
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
    """A process and the tasks that were sent to it."""

    process: multiprocessing.process.BaseProcess
    connection: Connection
    pending: deque[Task] = field(default_factory=deque)
    ready: bool = False
    since: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        """Seconds since it began its current task; the start of the process does not count."""
        return time.monotonic() - self.since if self.ready and self.pending else 0.0


class WorkerPool:
    """Processes that run the tasks of one job.

    An input whose process ends unexpectedly, or that takes longer than the limit, fails; a new process replaces the old
    one.

    Parameters
    ----------
    job : Job
        The job.
    storage : Storage
        Where outputs are written to.
    workers : int
        Number of processes.
    limit_s : float
        Seconds that one input may take.
    server : bool
        Whether to fork the processes from the server that `irisstn.worker_server` has started.

    Raises
    ------
    IrisError
        A process cannot be started.
    """

    def __init__(self, job: Job, storage: Storage, *, workers: int, limit_s: float, server: bool = False) -> None:
        self._job, self._storage, self._limit_s = job, storage, limit_s
        # A forked copy of a process with threads may hang; the server has one. All systems have spawn.
        self._context: ForkServerContext | SpawnContext = (
            multiprocessing.get_context("forkserver") if server else multiprocessing.get_context("spawn")
        )
        self._to_repeat: deque[Task] = deque()
        self._workers: list[_Worker] = []
        for _ in range(workers):
            self._workers.append(self._start())

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        for worker in self._workers:
            worker.connection.close()  # which ends its loop
            if worker.pending:
                worker.process.kill()
        for worker in self._workers:
            worker.process.join(5)
            worker.process.kill()

    def run(self, tasks: Iterator[Task], stop: Stop) -> Iterator[Outcome]:
        """Run `tasks` until `stop` is set.

        Parameters
        ----------
        tasks : iterator of Task
            The tasks; the next one is taken when a worker can hold it.
        stop : Stop
            Once it is set, no further task is begun; half a second after a signal the current ones are given up.

        Yields
        ------
        Outcome
            In the order in which they are ready.

        Raises
        ------
        IrisError
            The job cannot start, for example because its weights file is damaged.
        """
        while True:
            self._assign(tasks, stop)
            busy: dict[object, _Worker] = {worker.connection: worker for worker in self._workers if worker.pending}
            if not busy:
                return
            for connection in wait([worker.connection for worker in busy.values()], timeout=_POLL_S):
                yield from self._receive(busy[connection])
            if stop.overdue:
                return
            for worker in [worker for worker in self._workers if worker.age > self._limit_s]:
                worker.process.kill()
                yield self._replace(worker, f"took longer than {self._limit_s:g} s")

    def _start(self) -> _Worker:
        """Start a process."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, self._job, self._storage), daemon=True)
        try:
            process.start()
        except (OSError, EOFError) as error:  # EOFError where the server cannot fork, and ends
            why = error.strerror if isinstance(error, OSError) else "too many processes or too little memory"
            reason = f"a worker process cannot be started: {why}; give fewer --workers"
            raise IrisError(reason, stage="process") from None
        finally:
            theirs.close()
        return _Worker(process, ours)

    def _assign(self, tasks: Iterator[Task], stop: Stop) -> None:
        """Send tasks to the workers that can hold more."""
        for _ in range(_QUEUED_PER_WORKER):
            for worker in self._workers:
                if stop.wanted or len(worker.pending) >= _QUEUED_PER_WORKER:
                    continue
                task = self._to_repeat.popleft() if self._to_repeat else next(tasks, None)
                if task is None:
                    return
                if not worker.pending:
                    worker.since = time.monotonic()
                worker.pending.append(task)
                with suppress(OSError):  # the process has ended, which `_receive` finds out
                    worker.connection.send(task)

    def _receive(self, worker: _Worker) -> Iterator[Outcome]:
        """Read one message of `worker`; it gives an outcome unless the process has only become ready."""
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join(5)
            code = worker.process.exitcode
            if not worker.ready:
                # The usual reason is a script that every worker process runs anew.
                hint = "a script that starts several must do so below `if __name__ == '__main__':`"
                reason = f"a worker process ended before its first picture (exit code {code}); {hint}"
                raise IrisError(reason, stage="process") from None
            yield self._replace(worker, f"ended the worker process (exit code {code})")
            return
        worker.since = time.monotonic()
        if isinstance(message, IrisError):
            raise message
        worker.ready = True
        if isinstance(message, Outcome):
            worker.pending.popleft()
            yield message

    def _replace(self, worker: _Worker, reason: str) -> Outcome:
        """Replace a worker whose process has ended: its current input has failed, its next one is run again."""
        task = worker.pending.popleft()
        self._to_repeat.extend(worker.pending)
        worker.connection.close()
        self._workers[self._workers.index(worker)] = self._start()
        return _ended(task, self._storage, reason, worker.since)


def _ended(task: Task, storage: Storage, reason: str, since: float) -> Outcome:
    """The outcome of an input whose processing was ended for `reason`; it began at `since`, of `time.monotonic`."""
    if has_results(task, storage):  # the input may only have been slow to read
        return Outcome(task.name, unread=f"process: {reason}")
    remove_outputs(task, storage)
    record: Record = {
        "path": task.name,
        "settings": task.settings,
        "status": "failed",
        "stage": "process",
        "reason": reason,
        "seconds": round(time.monotonic() - since, 4),
    }
    return Outcome(task.name, (record,))


def _work(connection: Connection, job: Job, storage: Storage) -> None:
    """Run in a worker process: start the job, then run one task at a time until the connection is closed."""
    # The terminal sends Ctrl-C to all processes; the parent process decides when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    keep_freed_memory()
    try:
        end_with_parent()
        with one_opencv_thread(), job.start() as process:
            connection.send(os.getpid())
            # C libraries that decode pictures print warnings to stderr without a file name. The records name the file.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            while True:
                connection.send(run_task(connection.recv(), process, storage))
    except IrisError as error:
        connection.send(error)
    except ModuleNotFoundError as error:
        connection.send(MissingExtraError(missing_package(error)))
    except RuntimeError as error:  # no further thread, or the libraries of a network do not start
        connection.send(IrisError(f"a worker process cannot start: {one_line(error, 300)}", stage="process"))
    except (EOFError, OSError):
        return
