"""The runner's tasks on a Ray cluster, by Ray Data: this machine alone, or as many as there are.

Ray only moves tasks out and outcomes back. Each of its workers does them as `irisstn.batch.process_pool` does on one
machine, in a process of its own, so that the bytes are the same, and an input that crashes or hangs costs itself alone
there, too. The run's manifest and its lock stay with the process that began it. Outcomes come back in groups: after a
kill, the groups under way are done once more, to the same bytes. What a lost node was at, Ray gives to another.

Every node needs the same irisstn (a worker that finds another version or other weights ends the run), and must see the
inputs, OUT and the file given as --model under the same paths or URLs. Nothing is reported to anybody: Ray's usage
statistics and its dashboard are off.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING

from irisstn.batch.jobs.job import Job, identity
from irisstn.batch.process_pool import Stop, WorkerPool
from irisstn.batch.task import Outcome, Task
from irisstn.errors import DatasetError, IrisError
from irisstn.outputs.records import Record
from irisstn.storage.local import Storage

if TYPE_CHECKING:
    import ray.data

    Rows = dict[str, list[bytes]]

_GROUP = 64  # tasks that a worker is given at once
_CHUNK = 10_000  # tasks of each worker that are handed to Ray at once, so that memory stays flat
_STORE_BYTES = 256 << 20  # of Ray's object store, on a cluster of this machine alone; tasks and records are small


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where Ray runs: at `address` (`host:port`, `ray://host:port` or `auto`), or here, begun and ended with the run.

    `workers` is the number of CPUs to use; None: as many as the cluster has.
    """

    address: str | None = None
    workers: int | None = None


def run_on_ray(
    tasks: Iterator[Task], job: Job, storage: Storage, stop: Stop, *, cluster: Cluster, limit_s: float
) -> Iterator[Outcome]:
    """Do `tasks` on `cluster` until `stop`; outcomes come as they are ready.

    Raises IrisError where the job cannot start or there is no such cluster.
    """
    with job.start():
        pass  # what is wrong with the weights is better told here than from afar
    with _connected(cluster) as cpus:
        workers = cluster.workers or cpus
        while chunk := list(islice(tasks, _CHUNK * workers)):
            for row in _dataset(chunk, (job, storage, limit_s, identity(job)), workers).iter_rows():
                yield _outcome(row["outcome"])
                if stop.wanted:
                    return


def _dataset(chunk: list[Task], setup: tuple[Job, Storage, float, Record], workers: int) -> ray.data.Dataset:
    import ray.data  # noqa: PLC0415

    # JSON: a file name may hold bytes that are no text, which Arrow would not take.
    rows = [{"task": json.dumps(asdict(task)).encode("ascii")} for task in chunk]
    workers = min(workers, len(rows))
    return ray.data.from_items(rows, override_num_blocks=max(workers, len(rows) // _GROUP)).map_batches(
        _RayWorker,
        fn_constructor_args=setup,
        batch_size=None,
        batch_format="numpy",
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )


class _RayWorker:
    """What Ray keeps in each of its processes: one worker of ours, if it is the same program as in the driver's."""

    def __init__(self, job: Job, storage: Storage, limit_s: float, expected: Record) -> None:
        own = identity(job)
        self._differs = [name for name in {*own, *expected} if own.get(name) != expected.get(name)]
        self._team = WorkerPool(job, storage, workers=0 if self._differs else 1, limit_s=limit_s)

    def __call__(self, rows: Rows) -> Iterator[Rows]:
        if self._differs:
            yield _row(
                Outcome("", fatal=f"irisstn on {platform.node()} has another {', '.join(sorted(self._differs))}")
            )
            return
        tasks = (Task(**json.loads(task)) for task in rows["task"])
        try:
            for outcome in self._team.do(tasks, Stop()):
                yield _row(outcome)
        except IrisError as error:
            yield _row(Outcome("", fatal=str(error)))


def _row(outcome: Outcome) -> Rows:
    return {"outcome": [json.dumps(asdict(outcome)).encode("ascii")]}


def _outcome(data: bytes) -> Outcome:
    fields = json.loads(data)
    return Outcome(fields["name"], tuple(fields["records"]), fields["fatal"])


@contextmanager
def _connected(cluster: Cluster) -> Iterator[int]:
    """The cluster, quiet; gives the number of its CPUs."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_DATA_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["RAY_BACKEND_LOG_LEVEL"] = "fatal"  # remarks on Ray Data's own way with its actors
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 would starve on a busy machine
    try:
        import ray.data  # noqa: PLC0415
    except ImportError:
        raise DatasetError("--engine ray needs Ray: pip install 'irisstn[ray]'") from None
    here = cluster.address is None
    try:
        _require_reachable(cluster.address)
        ray.init(
            cluster.address or "local",  # a RAY_ADDRESS in the environment is not meant
            num_cpus=cluster.workers if here else None,
            object_store_memory=_STORE_BYTES if here else None,
            include_dashboard=False if here else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise DatasetError(
            f"no Ray cluster at {cluster.address}: {error} (one that asks for a token needs RAY_AUTH_MODE=token)"
        ) from None
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        yield int(ray.cluster_resources().get("CPU", 1))
    finally:
        ray.shutdown()


def _require_reachable(address: str | None) -> None:
    """Raise OSError where nobody listens at `address`: Ray would try for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
