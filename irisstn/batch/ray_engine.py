"""Run the tasks on a Ray cluster with Ray Data: on this machine alone, or on several.

Ray distributes the tasks and collects the outcomes. Each of its workers runs them in a process of its own, with
`irisstn.batch.process_pool`, as on one machine: the outputs have the same bytes, and an input that crashes or takes too
long fails alone. The process that began the run keeps the manifest and the lock. Outcomes come back in groups: after a
kill, the unfinished groups are processed again, to the same bytes. Ray repeats the tasks of a lost node on another one.

Every node needs the same irisstn: a worker that finds another version or other weights ends the run. Inputs, OUT and
the file given as --model must have the same paths or URLs on all nodes. Ray's usage statistics and its dashboard are
switched off.
"""

from __future__ import annotations

import json
import logging
import math
import os
import platform
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING

from irisstn.batch.interruption import Stop, TookTooLong, time_limit
from irisstn.batch.jobs.job import Job, identity
from irisstn.batch.process_pool import WorkerPool
from irisstn.batch.task import Outcome, Task
from irisstn.errors import DatasetError, IrisError, one_line
from irisstn.outputs.records import Json
from irisstn.storage.local import Storage

if TYPE_CHECKING:
    import ray.data

    Rows = dict[str, list[bytes]]

Settings = dict[str, Json]
_GROUP = 64  # tasks that are sent to a worker at once
_CHUNK = 10_000  # tasks for each worker that are passed to Ray at once, which limits memory
_STORE_BYTES = 256 << 20  # of Ray's object store, where this machine is the cluster; tasks and records are small


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where Ray runs.

    Attributes
    ----------
    address : str or None
        `host:port`, `ray://host:port` or `auto`; None starts Ray on this machine, for this run.
    workers : int or None
        Number of CPUs to use; None uses all of the cluster.
    """

    address: str | None = None
    workers: int | None = None


def run_on_ray(
    tasks: Iterator[Task], job: Job, storage: Storage, stop: Stop, *, cluster: Cluster, limit_s: float
) -> Iterator[Outcome]:
    """Run `tasks` on a Ray cluster until `stop` is set.

    Parameters
    ----------
    tasks : iterator of Task
        The tasks.
    job : Job
        Their job.
    storage : Storage
        Where outputs are written to.
    stop : Stop
        Once it is set, no further outcomes are waited for; the current one gets half a second after a signal.
    cluster : Cluster
        The cluster.
    limit_s : float
        Seconds that one input may take.

    Yields
    ------
    Outcome
        In the order in which they are ready.

    Raises
    ------
    IrisError
        The job cannot start, or the cluster cannot be reached.
    """
    with job.start():
        pass  # an error in the weights is easier to read from here than from a worker
    with _connected(cluster) as cpus:
        workers = cluster.workers or cpus
        while chunk := list(islice(tasks, _CHUNK * workers)):
            outcomes = _outcomes(_dataset(chunk, (job, storage, limit_s, identity(job)), workers))
            while (outcome := _next(outcomes)) is not None:
                yield outcome
                if stop.wanted:
                    return
            if stop.wanted:
                return


def _next(outcomes: Iterator[Outcome]) -> Outcome | None:
    """The next outcome; None where there is none, or where a signal ends the wait for it, half a second later."""
    try:
        with time_limit(math.inf):
            return next(outcomes, None)
    except TookTooLong:
        return None


def _outcomes(dataset: ray.data.Dataset) -> Iterator[Outcome]:
    """The outcomes in `dataset` as they are ready. Raises IrisError where Ray's own processes end."""
    from ray.exceptions import RayError  # noqa: PLC0415

    try:
        for row in dataset.iter_rows():
            yield _outcome(row["outcome"])
    except RayError as error:
        raise IrisError(f"Ray ended the run: {one_line(error, 300)}; the next run resumes", stage="process") from None


def _dataset(chunk: list[Task], setup: tuple[Job, Storage, float, Settings], workers: int) -> ray.data.Dataset:
    """The outcomes of the tasks in `chunk`, computed by `RayWorker` as they are read."""
    import ray.data  # noqa: PLC0415

    # As JSON, because a file name may hold bytes that are no text, which Arrow does not accept.
    rows = [{"task": json.dumps(asdict(task)).encode("ascii")} for task in chunk]
    workers = min(workers, len(rows))
    return ray.data.from_items(rows, override_num_blocks=max(workers, len(rows) // _GROUP)).map_batches(
        RayWorker,
        fn_constructor_args=setup,
        batch_size=None,
        batch_format="numpy",
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )


class RayWorker:
    """The state of one of Ray's processes: a `WorkerPool` of one process, if its program is that of the driver.

    Parameters
    ----------
    job : Job
        The job of the tasks.
    storage : Storage
        Where outputs are written to.
    limit_s : float
        Seconds that one input may take.
    expected : dict
        The `identity` of the job on the driver.
    """

    def __init__(self, job: Job, storage: Storage, limit_s: float, expected: Settings) -> None:
        own = identity(job)
        self._differs = [name for name in {*own, *expected} if own.get(name) != expected.get(name)]
        self._pool = WorkerPool(job, storage, workers=0 if self._differs else 1, limit_s=limit_s)

    def __call__(self, rows: Rows) -> Iterator[Rows]:
        """Run the tasks in `rows`; yields a row for each outcome, or one fatal outcome if the program differs."""
        if self._differs:
            yield _row(
                Outcome("", fatal=f"irisstn on {platform.node()} has another {', '.join(sorted(self._differs))}")
            )
            return
        tasks = (Task(**json.loads(task)) for task in rows["task"])
        try:
            for outcome in self._pool.run(tasks, Stop()):
                yield _row(outcome)
        except IrisError as error:
            yield _row(Outcome("", fatal=str(error)))


def _row(outcome: Outcome) -> Rows:
    """`outcome` as a row for Ray."""
    return {"outcome": [json.dumps(asdict(outcome)).encode("ascii")]}


def _outcome(data: bytes) -> Outcome:
    """The outcome in a row of Ray."""
    fields = json.loads(data)
    return Outcome(fields["name"], tuple(fields["records"]), fields["fatal"], fields["unread"], fields["earlier"])


@contextmanager
def _connected(cluster: Cluster) -> Iterator[int]:
    """Connect to the cluster, with Ray's own messages switched off; the context gives the number of its CPUs."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_DATA_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["RAY_BACKEND_LOG_LEVEL"] = "fatal"  # messages about the actors that Ray Data itself starts and ends
    os.environ.setdefault("RAY_worker_niceness", "0")  # with Ray's 15, workers hardly run on a busy machine
    import ray.data  # noqa: PLC0415

    here = cluster.address is None
    try:
        _require_reachable(cluster.address)
        ray.init(
            cluster.address or "local",  # "local" ignores a RAY_ADDRESS in the environment
            num_cpus=cluster.workers if here else None,
            object_store_memory=_STORE_BYTES if here else None,
            include_dashboard=False if here else None,
            log_to_driver=False,
            logging_level=logging.CRITICAL,  # what is wrong stands in the error
        )
    except Exception as error:  # Ray raises Exception itself where one of its own processes does not start
        reason = one_line(error, 300)
        if here:
            raise IrisError(f"Ray does not start on this machine: {reason}", stage="process") from None
        raise DatasetError(
            f"no Ray cluster at {cluster.address}: {reason} (a cluster that asks for a token needs RAY_AUTH_MODE=token)"
        ) from None
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        yield int(ray.cluster_resources().get("CPU", 1))
    finally:
        ray.shutdown()


def _require_reachable(address: str | None) -> None:
    """Raise OSError where nothing listens at `address`: Ray would try for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
