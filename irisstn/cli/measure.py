"""Commands that print figures of pictures: measure, quality."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from irisstn.cli.messages import SOME_FAILED, Crash, Misuse, report_errors
from irisstn.cli.options import cpus, every_option, input_option, quiet_option
from irisstn.cli.output_files import require_own_file

if TYPE_CHECKING:
    from irisstn.batch.jobs.measure import MeasureJob
    from irisstn.outputs.records import Record
    from irisstn.segmentation import InputKind

_OPTIONS = (
    click.argument("sources", metavar="SRC...", nargs=-1, required=True),
    input_option,
    click.option("--eye", type=click.Choice(["largest", "left", "right"]), help="Which of several eyes in a picture."),
    every_option,
    click.option("--workers", type=click.IntRange(1), show_default="number of CPUs", help="Number of processes."),
    quiet_option,
)


def _source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add what both commands have: pictures, and how they are read."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@_source_options
@click.option(
    "--csv", "file", metavar="FILE", type=click.Path(path_type=Path), help="Write to FILE.  [default: stdout]"
)
def measure(
    *,
    sources: tuple[str, ...],
    kind: InputKind | None,
    eye: Literal["largest", "left", "right"] | None,
    every: int,
    workers: int | None,
    quiet: bool,
    file: Path | None,
) -> None:
    """Measure pupil, iris, roll, gaze and quality of each picture; a table in CSV with a row for each.

    SRC: folders, pictures, globs, lists of pictures or videos; or an output folder of `irisstn segment`, `rectify` or
    `embed`, whose records are taken as they are. Columns: centre and radius of pupil and iris in pixels, the ratio of
    the radii, the roll of the head with its standard deviation in degrees (needs irisstn[torch] or irisstn[onnx], or an
    output of `rectify`), the angle of the gaze where it can be told, above about 20 degrees, else a bound; the figures
    and the score of `irisstn quality`, and the names that BIQT's iris provider has for them. A picture that fails has a
    row with status, stage and reason. With --csv an interrupted run goes on when the command is typed again: until FILE
    is written, what is measured is kept in FILE.unfinished. Exit code: 0 all done, 3 some failed, 2 misuse, 1 crash.

    \b
    Examples:
      irisstn measure ./eyes --csv eyes.csv
      irisstn measure eyes-rectified > eyes.csv
    """
    from irisstn.files import write_bytes_atomic
    from irisstn.outputs.measurements import is_measurements, measurements_csv

    if file is not None:
        require_own_file(file, is_measurements, option="--csv", what="table of `irisstn measure`")
        if any(Path(source).exists() and file.exists() and file.samefile(source) for source in sources):
            raise Misuse(f"--csv {file} is one of the sources: give another path")
    kept = None if file is None else file.with_name(f"{file.name}.unfinished")
    with report_errors(), _records(sources, kind, eye, workers, quiet=quiet, every=every, kept=kept) as records:
        counted = _Counted(records)
        text = measurements_csv(counted)
        if file is None:
            click.echo(text.encode("utf-8", "surrogateescape"), nl=False)
        else:
            try:
                write_bytes_atomic(file, text.encode("utf-8", "surrogateescape"), durable=True)
            except OSError as error:
                raise Crash(f"{file} cannot be written: {error.strerror or error}") from None
    if file is not None and not quiet:
        click.echo(f"{counted.total} rows in {file}, {counted.failed} of them of pictures that failed")
    sys.exit(SOME_FAILED if counted.failed else 0)


@click.command()
@_source_options
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each picture.")
def quality(
    *,
    sources: tuple[str, ...],
    kind: InputKind | None,
    eye: Literal["largest", "left", "right"] | None,
    every: int,
    workers: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Show the quality of pictures by ISO/IEC 29794-6, and one overall score from 0 to 100, higher is better.

    SRC: as for `irisstn measure`. For one picture each figure is shown with the range that the standard recommends, and
    pass or FAIL; for several, a line each with the score and the figures that fail. The score is formed from usable
    area, texture, trust, and too small a radius, sharpness or contrast of the pupil. Exit code: 0 all done, 3 some
    pictures failed, 2 misuse, 1 crash.

    \b
    Examples:
      irisstn quality a.png
      irisstn quality ./eyes
    """
    with report_errors(), _records(sources, kind, eye, workers, quiet=quiet, every=every) as records:
        counted = _Counted(record for record in records if "variant_of" not in record)
        found = list(counted)
    if as_json:
        click.echo("\n".join(json.dumps(_judged(record)) for record in found))
    else:
        text = _table(found[0]) if len(found) == 1 else "\n".join(_line(record) for record in found)
        click.echo(text.encode("utf-8", "surrogateescape"))
    sys.exit(SOME_FAILED if counted.failed else 0)


class _Counted:
    """Records on their way, counted."""

    def __init__(self, records: Iterator[Record]) -> None:
        self.total = self.failed = 0
        self._records = records

    def __iter__(self) -> Iterator[Record]:
        for record in self._records:
            self.total += 1
            self.failed += record.get("status") != "ok"
            yield record


@contextmanager
def _records(
    sources: tuple[str, ...],
    kind: InputKind | None,
    eye: Literal["largest", "left", "right"] | None,
    workers: int | None,
    *,
    quiet: bool,
    every: int,
    kept: Path | None = None,
) -> Iterator[Iterator[Record]]:
    """The records of all pictures of `sources`, sorted by path: those of an output folder, or measured now.

    With `kept`, they are measured into that folder, from which an interrupted run goes on; it is removed at the end of
    the context, unless an error ends it.
    """
    from irisstn.batch import find_inputs, run_batch
    from irisstn.batch.jobs.measure import MeasureJob
    from irisstn.extras import install_command
    from irisstn.outputs.manifest import MANIFEST, read_manifest
    from irisstn.outputs.whole_manifest import read_whole_manifest
    from irisstn.segmentation import SegmentationConfig

    if any((Path(source) / MANIFEST).is_file() for source in sources):
        if len(sources) > 1 or kind is not None or eye is not None:
            raise Misuse("give an output folder alone, without --input and --eye: its records are taken as they are")
        yield read_whole_manifest(Path(sources[0]))
        return
    given: dict[str, Any] = {} if eye is None else {"eye": eye}
    job = MeasureJob.of(SegmentationConfig.model_validate(given), kind or "auto")
    if not job.knows_roll and not quiet:
        click.echo(f"Note: the roll is not measured: {install_command('onnx')} reads it", err=True)
    with tempfile.TemporaryDirectory(prefix="irisstn-") as scratch:
        out = kept or Path(scratch) / "measured"
        frames = Path(scratch) / "frames"
        samples = find_inputs(sources, strips=False, exclude=kept, every=every, scratch=frames)
        summary = run_batch(
            job,
            samples,
            out,
            workers=workers or cpus(),
            overwrite=kept is not None and _has_other_settings(kept, job),
            durable=False,
            slow_apart=True,
            progress=not quiet and sys.stderr.isatty(),
        )
        if summary.stopped_by is not None:
            left = summary.total - summary.done - summary.failed - summary.skipped
            if kept is not None and not quiet:
                click.echo(f"{left} pictures are left; the same command goes on from {kept}", err=True)
            sys.exit(128 + summary.stopped_by)
        names = {sample.name for sample in samples}  # the folder may hold others, of an interrupted run
        yield (record for record in read_manifest(out) if record["path"] in names)
        if kept is not None:
            _remove(kept)


def _has_other_settings(folder: Path, job: MeasureJob) -> bool:
    """Whether records in `folder` were made with other settings than those of `job`, so that none can be taken over."""
    from irisstn.batch.jobs.job import identity
    from irisstn.outputs.manifest import read_manifest
    from irisstn.outputs.settings import record_digest

    digest = record_digest(identity(job))
    return any(record.get("settings") != digest for record in read_manifest(folder))


def _remove(folder: Path) -> None:
    """Remove a folder of records without files; what else lies in it stays."""
    from irisstn.outputs.folder import RUN
    from irisstn.outputs.manifest import MANIFEST
    from irisstn.storage.lock import LOCK

    for name in (MANIFEST, RUN, LOCK):
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _figures(record: Record) -> list[tuple[str, float, str, bool]]:
    """Name, value, recommended range as text, and whether the value lies in it, of each figure of a record."""
    from irisstn.outputs.records import is_number
    from irisstn.quality import RECOMMENDED

    found = []
    held = record.get("quality")
    for name, (low, high) in RECOMMENDED.items():
        value = held.get(name) if isinstance(held, dict) else None
        if is_number(value):
            wanted = f"{low:g} or more" if high in (8.0, 100.0, float("inf")) else f"{low:g} to {high:g}"
            found.append((name, value, wanted, low <= value <= high))
    return found


def _score(record: Record) -> float | None:
    from irisstn.outputs.records import is_number
    from irisstn.quality_score import SCORE

    held = record.get("quality")
    score = held.get(SCORE) if isinstance(held, dict) else None
    return score if is_number(score) else None


def _judged(record: Record) -> dict[str, object]:
    """What `irisstn quality --json` prints of a record."""
    figures = {
        name: {"value": value, "recommended": wanted, "passes": passes}
        for name, value, wanted, passes in _figures(record)
    }
    about = {name: record.get(name) for name in ("path", "status", "stage", "reason") if name in record}
    return about | {"score": _score(record), "figures": figures}


def _line(record: Record) -> str:
    """A line on a record: its path, score and what fails."""
    if record.get("status") != "ok":
        return f"{record['path']}  failed: {record.get('stage')}: {record.get('reason')}"
    score, figures = _score(record), _figures(record)
    if not figures:
        return f"{record['path']}  no quality: a strip shows no eye"
    failing = ", ".join(name for name, _, _, passes in figures if not passes)
    return f"{record['path']}  {'score unknown' if score is None else f'{score:.0f}'}" + (
        f"  FAIL {failing}" if failing else "  pass"
    )


def _table(record: Record) -> str:
    """A table on one record."""
    if not (figures := _figures(record)):
        return _line(record)
    score = _score(record)
    lines = [f"{record['path']}: score {'unknown' if score is None else f'{score:.0f} of 100'}"]
    lines += [
        f"  {name:<28}{value:>8.1f}  {wanted:<12}{'pass' if passes else 'FAIL'}"
        for name, value, wanted, passes in figures
    ]
    return "\n".join(lines)
