"""Commands that process a folder of pictures into an output folder: segment, rectify, embed."""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from irisstn.cli.messages import SOME_FAILED, Misuse, report_errors
from irisstn.cli.options import (
    Run,
    cpus,
    folder_command,
    input_option,
    model_option,
    name_of,
    overrides_of,
    roll_option,
    roll_prior_option,
    runtime_option,
    strip_command,
    strip_layout,
)

if TYPE_CHECKING:
    from irisstn.batch import Summary
    from irisstn.batch.inputs import Samples
    from irisstn.batch.jobs.embed import EmbedJob
    from irisstn.batch.jobs.job import Job
    from irisstn.batch.jobs.rectify import RectifyJob
    from irisstn.batch.jobs.segment import SegmentJob
    from irisstn.strip_conventions import StripConvention

    FolderJob = SegmentJob | RectifyJob | EmbedJob

OUTPUT_NAMES = {"segment": "segmented", "rectify": "rectified", "embed": "embedded"}  # after the source's name


@click.command()
@strip_command
def segment(
    *,
    run: Run,
    size: str | None,
    overlays: bool,
    config: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Find pupil, iris, eyelids, eyelashes and specular reflections; write masks and strips.

    SRC: folders, pictures, globs, lists of pictures (.txt, .csv), videos, or one URL. A run that was interrupted
    resumes: pictures that are done are skipped. Exit code: 0 all done, 3 some failed, 2 misuse, 1 crash.

    \b
    Examples:
      irisstn segment ./eyes
      irisstn segment ./eyes -o out --overlays --size 32x256
      irisstn segment 'scans/*/L/*.png' --workers 2 --json
      irisstn segment clip.avi --every 10
      irisstn segment ./eyes --iso vga,masked --iso-format jp2
      irisstn segment s3://bucket/eyes -o s3://bucket/strips --engine ray --ray-address head:6379
    """
    from irisstn.batch.jobs.segment import SegmentConfig, SegmentJob
    from irisstn.config import load_config

    with report_errors():
        flags = overrides_of(size=size, overlays=overlays or None)
        job = SegmentJob(load_config(SegmentConfig, config, [*overrides, *flags]))
        _run(job, run)


@click.command()
@strip_command
@model_option
@input_option
@strip_layout
@roll_option
@roll_prior_option
@runtime_option
@click.option("--augment", metavar="K", type=click.IntRange(0), help="Also write K variants of each strip.")
@click.option("--side-by-side", is_flag=True, help="Also draw input, with the sampled area outlined, and output.")
def rectify(
    *,
    run: Run,
    size: str | None,
    overlays: bool,
    config: Path | None,
    overrides: tuple[str, ...],
    model: Path | None,
    kind: str | None,
    convention: str | None,
    columns: str | None,
    start: str | None,
    mask_polarity: str | None,
    masks: str | None,
    augment: int | None,
    side_by_side: bool,
    roll: str | None,
    roll_prior: float | None,
    runtime: str | None,
) -> None:
    """Rectify irises: from photographs, masked iris rings or strips to rectified strips.

    SRC: folders, pictures, globs, lists of pictures (.txt, .csv) or videos; or the output folder of `irisstn segment`.
    A whole eye is always segmented first. The head's roll is read off the eyelids; where they are not known, the roll
    is not corrected. A run that was interrupted resumes. Exit code: 0 all done, 3 some failed, 2 misuse, 1 crash.

    \b
    Examples:
      irisstn rectify ./eyes
      irisstn rectify ./eyes -o out --model runs/shipped --augment 4
      irisstn rectify ./eyes -o out --side-by-side      # pictures in OUT/side_by_side
      irisstn rectify ./handheld --roll-prior 2         # heads are tilted more than usual
      irisstn rectify ./eyes --runtime torch            # by PyTorch, not ONNX Runtime
      irisstn rectify ./strips --input strip --size 32x256
      irisstn rectify ./normalized --convention osiris --masks ./normalized_masks
    """
    from irisstn.batch.jobs.rectify import RectifyConfig, RectifyJob
    from irisstn.config import load_config

    with report_errors():
        pictures = {"overlays": overlays or None, "side_by_side": side_by_side or None}
        turn = {"roll": roll, "roll_prior_deg": roll_prior}
        layout = {"convention": convention, "columns": columns, "start": start, "mask_polarity": mask_polarity}
        if kind is None and (masks is not None or any(layout.values())):
            kind = "strip"
        flags = overrides_of(size=size, input=kind, augment=augment, runtime=runtime, **pictures, **turn)
        flags += overrides_of(**{f"strips.{name}": value for name, value in layout.items()})
        settings = load_config(RectifyConfig, config, [*overrides, *flags])
        _run(RectifyJob.of(settings, model), run, masks=masks, layout=settings.strips.layout())


@click.command()
@folder_command
@model_option
@input_option
@roll_option
@roll_prior_option
@runtime_option
@click.option("--plain", is_flag=True, help="Do not rectify strips first.")
def embed(
    *,
    run: Run,
    config: Path | None,
    overrides: tuple[str, ...],
    model: Path | None,
    kind: str | None,
    roll: str | None,
    roll_prior: float | None,
    runtime: str | None,
    plain: bool,
) -> None:
    """Compute an embedding of each iris: some hundred numbers, similar for pictures of the same eye.

    SRC: folders, pictures, globs, lists of pictures (.txt, .csv) or videos; or the output folder of `irisstn segment`
    or `irisstn rectify`, whose strips are used as they are. Photographs are segmented and rectified first. At the end
    all embeddings are also written to OUT/embeddings.npz. Exit code: 0 all done, 3 some failed, 2 misuse, 1 crash.

    \b
    Examples:
      irisstn embed ./eyes
      irisstn embed ./eyes-rectified -o out
      irisstn embed ./eyes --model runs/mine --plain
    """
    from irisstn.batch.jobs.embed import EmbedConfig, EmbedJob
    from irisstn.config import load_config

    with report_errors():
        turn = {"roll": roll, "roll_prior_deg": roll_prior}
        flags = overrides_of(input=kind, **turn, runtime=runtime, rectify=False if plain else None)
        job = EmbedJob.of(load_config(EmbedConfig, config, [*overrides, *flags]), model)
        _run(job, run)


def _run(job: FolderJob, run: Run, *, masks: str | None = None, layout: StripConvention | None = None) -> None:
    """Run `job`, print its summary and exit. Strips that another program made have a `layout`, and perhaps `masks`."""
    from irisstn.datasets.videos import is_video

    if not any(is_video(source) for source in run.sources):
        _run_with(job, run, None, masks=masks, layout=layout)
    if run.ray_address is not None:
        raise Misuse("a video is decoded on this machine: leave --ray-address out")
    with tempfile.TemporaryDirectory(prefix="irisstn-") as scratch:
        _run_with(job, run, Path(scratch), masks=masks, layout=layout)


def _run_with(
    job: FolderJob, run: Run, scratch: Path | None, *, masks: str | None, layout: StripConvention | None
) -> NoReturn:
    """As `_run`, with a folder for the frames of videos."""
    from irisstn.batch import Cluster, find_inputs, out_folder, run_batch
    from irisstn.batch.strip_masks import with_masks

    if run.ray_address is not None and run.engine != "ray":
        raise Misuse("--ray-address needs --engine ray")
    if run.out == "":
        raise Misuse("--out is an empty text, as of a variable that is not set")
    out = out_folder(run.out or f"{name_of(run.sources[0])}-{OUTPUT_NAMES[job.command]}")
    passed_over: Counter[str] = Counter()
    samples = find_inputs(
        run.sources,
        strips=job.command != "segment",
        exclude=out,
        passed_over=passed_over,
        every=run.every,
        scratch=scratch,
        max_pixels=job.config.max_pixels,
    )
    if layout is not None and not layout.is_own and any(sample.mask is not None for sample in samples):
        raise Misuse("the strips of an output of irisstn are in its own convention: leave --convention out")
    if masks is not None and layout is not None:
        samples = with_masks(samples, masks, layout)
    pages: list[Path] = []

    def finish() -> None:
        if isinstance(out, Path):
            pages.append(_written_page(out, samples, job))

    summary = run_batch(
        job,
        samples,
        out,
        workers=run.workers or cpus(),
        cluster=Cluster(run.ray_address, run.workers) if run.engine == "ray" else None,
        overwrite=run.overwrite,
        durable=run.durable,
        fail_fast=run.fail_fast,
        progress=not run.quiet and sys.stderr.isatty(),
        limit_s=run.limit,
        slow_apart=True,
        worker_server=run.worker_server,
        passed_over=passed_over,
        finish=finish,
    )
    if summary.note is not None:
        click.echo(f"Note: {summary.note}", err=True)
    page = pages[0] if pages else None
    unturned = _without_roll(out) if job.command == "rectify" and isinstance(out, Path) else 0
    if run.as_json:
        click.echo(json.dumps(summary.as_dict() | {"report": str(page) if page is not None else None}))
    elif not run.quiet:
        _print_summary(summary, page)
        if unturned:
            click.echo(f"The roll of {unturned} was not corrected: their eyelids are not known")
    if summary.stopped_by is not None:
        sys.exit(128 + summary.stopped_by)
    sys.exit(SOME_FAILED if summary.failed else 0)


def _written_page(out: Path, samples: Samples, job: Job) -> Path:
    """Write the files about all outputs on disk: the embeddings in one file, and a page for a browser."""
    from irisstn.batch.jobs.embed import EmbedJob, gather_embeddings
    from irisstn.datasets import Sample
    from irisstn.report import write_report

    if isinstance(job, EmbedJob):
        gather_embeddings(out)
    return write_report(out, [sample for sample in samples if isinstance(sample, Sample)])


def _without_roll(out: Path) -> int:
    """How many of the rectified strips in `out` were not rotated, because their eyelids are not known."""
    from irisstn.outputs.manifest import read_lines

    return sum(b'"roll_known":false' in line and b'"variant_of":' not in line for line in read_lines(out))


def _print_summary(summary: Summary, page: Path | None) -> None:
    """Print the numbers of a run, the reasons of its failures, warnings and what was passed over."""
    from irisstn.datasets import passed_over_text

    parts = [f"{summary.done} done", f"{summary.failed} failed"]
    if summary.skipped:
        parts.append(f"{summary.skipped} already done")
    left = summary.total - summary.done - summary.failed - summary.skipped
    if left:
        parts.append(f"{left} left for the next run")
    click.echo(f"{', '.join(parts)} in {summary.seconds:.1f} s ({summary.rate:.0f} pictures/s)")
    for reason, count in summary.reasons.most_common(10):
        click.echo(f"  {count} x {reason}")
    if len(summary.reasons) > 10:
        click.echo("  and other reasons")
    for sentence, count in summary.warnings.most_common(10):
        click.echo(f"Warning: {count} x {sentence}")
    if summary.outside_recommended:
        figures = [f"{name} {count}" for name, count in summary.outside_recommended.most_common()]
        click.echo(f"Pictures outside the ranges that ISO/IEC 29794-6 recommends: {', '.join(figures)}")
    if summary.passed_over:
        click.echo(passed_over_text(summary.passed_over))
    click.echo(f"Results and records in {summary.out}" + (f"; open {page}" if page is not None else ""))
