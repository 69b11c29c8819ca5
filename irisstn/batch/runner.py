"""The runner of every folder command: resumes, survives, and writes the same bytes with any number of workers."""

from __future__ import annotations

import time
import unicodedata
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from irisstn.batch.inputs import Samples
from irisstn.batch.jobs.job import Job, identity
from irisstn.batch.process_pool import Stop, WorkerPool, run_here, stop_on_signals
from irisstn.batch.ray_engine import Cluster, run_on_ray
from irisstn.batch.task import Outcome, Task
from irisstn.errors import OutputError
from irisstn.outputs.folder import OutputFolder, open_output_folder
from irisstn.outputs.manifest import Manifest
from irisstn.outputs.records import Json
from irisstn.progress import ProgressBar
from irisstn.storage.local import LocalStorage, Storage

PER_WORKER = 8  # pictures below which one more process is not worth its start
LIMIT_S = 300.0
_REASONS = 100  # different reasons a summary keeps apart


@dataclass
class Summary:
    """What a run did: inputs `done` now, `skipped` as done before, and `failed`, of `total`; `stopped_by` a signal."""

    out: Path | str
    total: int
    done: int = 0
    skipped: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    stopped_by: int | None = None

    @property
    def rate(self) -> float:
        """Pictures a second, of those that were worked on."""
        return (self.done + self.failed) / max(self.seconds, 1e-9)

    def counts(self) -> dict[str, Json]:
        """The figures that are kept in run.json."""
        return {"inputs": self.total, "ok": self.done + self.skipped, "failed": self.failed}

    def as_dict(self) -> dict[str, Json]:
        """All figures, for machines."""
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
        }

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        if not outcome.records:
            self.skipped += 1
        elif outcome.failed:
            self.failed += 1
            record = outcome.records[-1]
            reason = f"{record['stage']}: {record['reason']}"
            self.reasons[reason if reason in self.reasons or len(self.reasons) < _REASONS else "other"] += 1
        else:
            self.done += 1


def run_batch(
    job: Job,
    samples: Samples,
    out: Path | str,
    *,
    workers: int = 1,
    cluster: Cluster | None = None,
    overwrite: bool = False,
    fail_fast: bool = False,
    progress: bool = False,
    limit_s: float = LIMIT_S,
) -> Summary:
    """Do `job` on `samples` into the folder `out`, in `workers` processes (1: in this one), or on a Ray `cluster`.

    `out` is a path, or a URL that fsspec has a driver for, as text; see `irisstn.outputs.remote_manifest` for what the
    promises below come to there.
    Inputs that an earlier run finished are skipped: same content, same settings, same weights, outputs still there;
    failed ones are tried again. Each other input gets its files and its record, or a record of why it failed. A killed
    run leaves whole files and a manifest from which the next one goes on. SIGINT and SIGTERM end it in order.
    `fail_fast` ends it at the first failure; `progress` shows a bar on stderr. In worker processes, a picture that
    takes more than `limit_s` seconds fails. Records of inputs that are not among `samples` stay.
    Raises OutputError where `out` is locked, was made by other settings (and not `overwrite`), or cannot be written to.
    """
    if workers < 1:
        raise ValueError(f"at least one worker is needed, got {workers}")
    summary = Summary(out, len(samples))
    started = time.monotonic()
    stop = Stop()
    who = _Execution(min(workers, max(1, len(samples) // PER_WORKER)), cluster, limit_s)
    with open_output_folder(out, identity(job), overwrite=overwrite) as output:
        try:
            with (
                Manifest(output.folder) as manifest,
                stop_on_signals(stop),
                ProgressBar(job.command, len(samples), shown=progress) as bar,
            ):
                output.write_run_json({}, finished=False)
                tasks = _tasks(samples, manifest, _case_collisions(samples, output))
                with closing(_outcomes(tasks, job, output.storage, stop, who)) as outcomes:
                    for outcome in outcomes:
                        if outcome.fatal is not None:
                            raise OutputError(outcome.fatal, stage="write")
                        if outcome.records:
                            manifest.add(outcome.records)
                            output.save()
                        summary.add(outcome)
                        stop.wanted = stop.wanted or (fail_fast and outcome.failed)
                        bar.advance(1, summary.failed)
                manifest.sort(output.scratch)
            summary.seconds = time.monotonic() - started
            summary.stopped_by = stop.signal
            output.write_run_json(
                summary.counts(), finished=summary.done + summary.skipped + summary.failed == summary.total
            )
        except OSError as error:
            raise OutputError(f"{out} cannot be written to: {error.strerror or error}", stage="write") from error
    return summary


@dataclass(frozen=True, slots=True)
class _Execution:
    """Who does the work."""

    workers: int
    cluster: Cluster | None
    limit_s: float


def _outcomes(tasks: Iterator[Task], job: Job, storage: Storage, stop: Stop, who: _Execution) -> Generator[Outcome]:
    if who.cluster is not None:
        yield from run_on_ray(tasks, job, storage, stop, cluster=who.cluster, limit_s=who.limit_s)
    elif who.workers == 1:
        yield from run_here(tasks, job, storage, stop)
    else:
        with closing(WorkerPool(job, storage, workers=who.workers, limit_s=who.limit_s)) as team:
            yield from team.do(tasks, stop)


def _tasks(samples: Samples, manifest: Manifest, refused: Mapping[str, str]) -> Iterator[Task]:
    for sample in samples:
        mask = str(sample.mask) if sample.mask is not None else None
        reason = sample.failed or refused.get(sample.name)
        yield Task(sample.name, str(sample.path), mask, manifest.get(sample.name), reason, sample.ring)


def _case_collisions(samples: Samples, output: OutputFolder) -> dict[str, str]:
    """Samples whose files would overwrite those of another, where the file system takes A.png and a.png for one."""
    (output.scratch / "case").touch()
    if not isinstance(output.storage, LocalStorage) or not (output.scratch / "CASE").exists():
        return {}
    first: dict[str, str] = {}
    twins = {}
    for sample in samples:
        other = first.setdefault(unicodedata.normalize("NFC", sample.name).casefold(), sample.name)
        if other != sample.name:
            twins[sample.name] = f"on this file system its files would overwrite those of {other}"
    return twins
