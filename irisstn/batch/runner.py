"""The runner of every folder command: it resumes, and writes the same bytes with any number of workers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from irisstn.batch.collisions import name_collisions
from irisstn.batch.inputs import Samples
from irisstn.batch.interruption import Stop, stop_on_signals
from irisstn.batch.jobs.job import Job, identity
from irisstn.batch.process_pool import WorkerPool, run_here
from irisstn.batch.ray_engine import Cluster, run_on_ray
from irisstn.batch.task import Outcome, Task
from irisstn.errors import OutputError
from irisstn.extras import require_extra
from irisstn.outputs.folder import RUN, OutputFolder, open_output_folder
from irisstn.outputs.group_commit import GroupCommit
from irisstn.outputs.manifest import Manifest
from irisstn.outputs.records import Json, texts_of
from irisstn.outputs.settings import record_digest, with_fewer_drawings
from irisstn.progress import ProgressBar
from irisstn.storage.local import Storage
from irisstn.worker_server import INPUTS_PER_WORKER, LIMIT_S

_REASONS = 100  # different reasons that a summary counts separately


@dataclass
class Summary:
    """What a run has done.

    Attributes
    ----------
    out : Path or str
        The output folder.
    total, done, skipped, failed : int
        Number of inputs: all, processed in this run, finished by an earlier run, and failed.
    reasons : Counter of str
        How often each reason of a failure occurred.
    seconds : float
        Duration of the run.
    stopped_by : int or None
        The signal that ended it early.
    passed_over : mapping of str to int
        Number of files in the sources that are no inputs, by their suffix, as `irisstn.datasets.find_images` counts.
    note : str or None
        What was found damaged in the output folder and made anew.
    warnings, outside_recommended : Counter of str
        How many pictures have each warning, and each measure outside the range that ISO/IEC 29794-6 recommends; those
        that were skipped are among them.
    """

    out: Path | str
    total: int
    done: int = 0
    skipped: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    stopped_by: int | None = None
    passed_over: Mapping[str, int] = field(default_factory=dict)
    note: str | None = None
    warnings: Counter[str] = field(default_factory=Counter)
    outside_recommended: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Inputs per second, without those that were skipped."""
        return (self.done + self.failed) / max(self.seconds, 1e-9)

    def counts(self) -> dict[str, Json]:
        """The numbers that run.json holds."""
        counts: dict[str, Json] = {"inputs": self.total, "ok": self.done + self.skipped, "failed": self.failed}
        return counts | {"passed_over": dict(self.passed_over)}

    def as_dict(self) -> dict[str, Json]:
        """All numbers, for JSON."""
        return {
            "out": str(self.out),
            "total": self.total,
            "done": self.done,
            "skipped": self.skipped,
            "failed": self.failed,
            "reasons": dict(self.reasons),
            "seconds": round(self.seconds, 3),
            "rate": round(self.rate, 3),
            "stopped_by": self.stopped_by,
            "passed_over": dict(self.passed_over),
            "note": self.note,
            "warnings": dict(self.warnings),
            "outside_recommended": dict(self.outside_recommended),
        }

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        reason = outcome.failure
        if reason is None and not outcome.records:
            self.skipped += 1
        elif reason is not None:
            self.failed += 1
            self.reasons[reason if reason in self.reasons or len(self.reasons) < _REASONS else "other"] += 1
        else:
            self.done += 1
        record = outcome.records[-1] if outcome.records else outcome.earlier
        if record is not None:
            self.warnings.update(texts_of(record, "warnings"))
            self.outside_recommended.update(texts_of(record, "outside_recommended"))


def run_batch(
    job: Job,
    samples: Samples,
    out: Path | str,
    *,
    workers: int = 1,
    cluster: Cluster | None = None,
    overwrite: bool = False,
    durable: bool = True,
    fail_fast: bool = False,
    progress: bool = False,
    limit_s: float = LIMIT_S,
    slow_apart: bool = False,
    worker_server: bool = False,
    passed_over: Mapping[str, int] | None = None,
    finish: Callable[[], object] | None = None,
) -> Summary:
    """Process inputs into an output folder.

    Each input gets its output files and a record, or a record of why it failed. Inputs that an earlier run finished are
    skipped: same content, settings and weights, and all outputs there, with their sizes. Failed ones are tried again.
    An input that cannot be read now keeps the results that it has. A killed run leaves complete files and a manifest
    from which the next run resumes. SIGINT and SIGTERM end the run after the current inputs, which get half a second.
    Records of inputs that are not among `samples` are kept.

    Parameters
    ----------
    job : Job
        What to do with each input.
    samples : sequence of Sample or of RemoteSample
        The inputs, from `find_inputs`.
    out : Path or str
        The output folder, on disk or at a URL that fsspec has a driver for. `irisstn.outputs.remote_manifest` says
        what resuming and locking come to at a URL.
    workers : int
        Number of processes; 1 processes the inputs in this process.
    cluster : Cluster, optional
        Run on a Ray cluster instead.
    overwrite : bool
        Remove the outputs of earlier runs first.
    durable : bool
        Append records only after their files are on the disk, in groups of half a second, so that a record that
        outlives a power cut proves its files.
    fail_fast : bool
        End the run at the first failure.
    progress : bool
        Show a progress bar on stderr.
    limit_s : float
        Seconds after which an input fails. A worker process is ended then; with one process, what waits for a network
        or a disk, in the main thread and not on Windows, while a call into a C library ends by itself first.
    slow_apart : bool
        With one process, leave pictures that may take more than half a second to decode to another one, where the
        limit holds. It is spawned: the main module must be one that can be imported.
    worker_server : bool
        Fork the worker processes from the server that `irisstn.worker_server` has started, instead of spawning them.
    passed_over : mapping of str to int, optional
        What `find_inputs` passed over, for the summary and run.json.
    finish : callable, optional
        Called at the end, while the folder is still locked: it writes the files about all outputs.

    Returns
    -------
    Summary
        The numbers of the run.

    Raises
    ------
    OutputError
        `out` is in use, was made with other settings (without `overwrite`), or cannot be written to.
    IrisError
        The job cannot start, or the cluster cannot be reached.
    MissingExtraError
        Ray is not installed.
    """
    if workers < 1 or not limit_s > 0:
        raise ValueError(f"at least one worker and a limit above 0 are needed, got {workers} and {limit_s}")
    if cluster is not None:
        require_extra("ray", "--engine ray")
    summary = Summary(out, len(samples), passed_over=dict(passed_over or {}))
    started = time.monotonic()
    stop = Stop()
    processes = min(workers, max(1, len(samples) // INPUTS_PER_WORKER))
    execution = _Execution(processes, cluster, limit_s, slow_apart, worker_server)
    with open_output_folder(out, identity(job), overwrite=overwrite, durable=durable) as output:
        summary.note = output.note
        try:
            with (
                Manifest(output.folder) as manifest,
                stop_on_signals(stop),
                ProgressBar(job.command, len(samples), shown=progress) as bar,
            ):
                output.write_run_json({}, finished=False)
                tasks = _tasks(samples, manifest, output)
                with (
                    _commit(manifest, output) as records,
                    closing(_outcomes(tasks, job, output.storage, stop, execution)) as outcomes,
                ):
                    for outcome in outcomes:
                        if outcome.fatal is not None:
                            raise OutputError(outcome.fatal, stage="write")
                        if outcome.records:
                            records.add(outcome.records)
                        summary.add(outcome)
                        stop.wanted = stop.wanted or (fail_fast and outcome.failure is not None)
                        bar.advance(1, summary.failed)
                manifest.sort(output.scratch)
            if finish is not None:
                finish()
            summary.seconds = time.monotonic() - started
            summary.stopped_by = stop.signal
            output.write_run_json(
                summary.counts(), finished=summary.done + summary.skipped + summary.failed == summary.total
            )
        except OSError as error:
            raise OutputError(f"{out} cannot be written to: {error.strerror or error}", stage="write") from error
    return summary


def _commit(manifest: Manifest, output: OutputFolder) -> GroupCommit:
    """The way of records to the `manifest` of `output`."""
    return GroupCommit(manifest, output.folder, durable=output.durable, save=output.save, begun=[output.folder / RUN])


@dataclass(frozen=True, slots=True)
class _Execution:
    """How the tasks are run."""

    workers: int
    cluster: Cluster | None
    limit_s: float
    slow_apart: bool
    worker_server: bool


def _outcomes(
    tasks: Iterator[Task], job: Job, storage: Storage, stop: Stop, execution: _Execution
) -> Generator[Outcome]:
    """Run `tasks` as `execution` says."""
    if execution.cluster is not None:
        yield from run_on_ray(tasks, job, storage, stop, cluster=execution.cluster, limit_s=execution.limit_s)
    elif execution.workers == 1:
        limit_s, slow_apart = execution.limit_s, execution.slow_apart
        yield from run_here(tasks, job, storage, stop, limit_s=limit_s, slow_apart=slow_apart)
    else:
        workers, server = execution.workers, execution.worker_server
        with closing(WorkerPool(job, storage, workers=workers, limit_s=execution.limit_s, server=server)) as pool:
            yield from pool.run(tasks, stop)


def _tasks(samples: Samples, manifest: Manifest, output: OutputFolder) -> Iterator[Task]:
    """A task for each of `samples`; those whose files would overwrite others fail with that reason."""
    refused, settings = name_collisions(samples, output), record_digest(output.settings)
    undrawn = [record_digest(fewer) for fewer in with_fewer_drawings(output.settings)]
    for sample in samples:
        mask = str(sample.mask) if sample.mask is not None else None
        reason = sample.failed or refused.get(sample.name)
        yield Task(
            sample.name, str(sample.path), mask, manifest.get(sample.name), reason, sample.ring, settings, undrawn
        )
