"""The command line: parse, call, print. Everything slow is imported by the command that needs it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from irisstn.errors import IrisError

if TYPE_CHECKING:
    from irisstn.batch import Summary
    from irisstn.batch.inputs import Samples
    from irisstn.batch.job import Job

MISUSE, CRASH, SOME_FAILED = 2, 1, 3
PAST = {"segment": "segmented", "rectify": "rectified", "embed": "embedded"}

Command = Callable[..., None]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="irisstn", message="irisstn %(version)s")
def cli() -> None:
    """Eye photographs in, straight iris strips out."""


def main() -> None:
    """The entry point of the `irisstn` command."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # which picture cannot be read, and why, our records say
    cli(prog_name="irisstn")


class _Misuse(click.ClickException):
    """A message for the user, who can do something about it."""

    exit_code = MISUSE


class _Crash(click.ClickException):
    """A message for the user about what broke under way."""

    exit_code = CRASH


@contextmanager
def _told() -> Iterator[None]:
    """Bad data, settings and folders are told in a line: misuse, but for a disk that fails under way."""
    try:
        yield
    except IrisError as error:
        raise (_Crash if error.stage == "write" else _Misuse)(str(error)) from None


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class _Run:
    """The options of a folder command that do not change its output."""

    sources: tuple[str, ...]
    out: str | None
    workers: int | None
    limit: float
    engine: str
    ray_address: str | None
    overwrite: bool
    fail_fast: bool
    as_json: bool
    quiet: bool


def _folder_command(command: Command) -> Command:
    """The arguments and options that every folder command has; those of `_Run` come to it as one, `run`."""

    @wraps(command)
    def gathered(**given: Any) -> None:
        run = _Run(**{option.name: given.pop(option.name) for option in fields(_Run)})
        command(run=run, **given)

    options = [
        click.argument("sources", metavar="SRC...", nargs=-1, required=True),
        click.option("-o", "--out", metavar="OUT", help="Output folder or URL.  [default: the source's name and verb]"),
        click.option("--workers", type=click.IntRange(1), show_default="CPUs", help="Processes."),
        click.option(
            "--limit",
            metavar="SECONDS",
            default=300.0,
            type=click.FloatRange(0, min_open=True),
            show_default=True,
            help="A picture that takes longer fails, where there is more than one worker.",
        ),
        click.option("--engine", type=click.Choice(["local", "ray"]), default="local", help="Who runs the workers."),
        click.option("--ray-address", metavar="HOST:PORT", help="A Ray cluster.  [default: one on this machine]"),
        click.option("--config", type=click.Path(path_type=Path), help="YAML file of settings."),
        click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Override one setting."),
        click.option("--overwrite", is_flag=True, help="Begin the output folder anew."),
        click.option("--fail-fast", is_flag=True, help="End at the first picture that fails."),
        click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
        click.option("--quiet", is_flag=True, help="Print nothing but errors."),
    ]
    for option in reversed(options):
        gathered = option(gathered)
    return gathered


def _strip_command(command: Command) -> Command:
    """The options of folder commands that write strips."""
    size = click.option("--size", metavar="RxC", help="Rows x columns of the strips, like 64x512.")
    overlays = click.option("--overlays", is_flag=True, help="Also draw the boundaries on the pictures.")
    return _folder_command(size(overlays(command)))


@cli.command()
@_strip_command
def segment(
    *,
    run: _Run,
    size: str | None,
    overlays: bool,
    config: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Find pupil, iris, eyelids, lashes and glints; write masks and strips.

    SRC: folders, pictures, globs, lists (.txt, .csv) of pictures, or one URL. A run that was ended goes on where it
    was: what is done is skipped. Exit code: 0 all done, 3 some failed, 2 misuse, 1 crash.

    \b
    Examples:
      irisstn segment ./eyes
      irisstn segment ./eyes -o out --overlays --size 32x256
      irisstn segment 'scans/*/L/*.png' --workers 2 --json
      irisstn segment s3://bucket/eyes -o s3://bucket/strips --engine ray --ray-address head:6379
    """
    from irisstn.batch.segment import SegmentConfig, SegmentJob
    from irisstn.config import load_config

    with _told():
        flags = _flags(size=size, overlays=overlays or None)
        job = SegmentJob(load_config(SegmentConfig, config, [*overrides, *flags]))
        _run(job, run)


@cli.command()
@_strip_command
@click.option("--model", metavar="RUN", type=click.Path(path_type=Path), help="A run's folder or weights file.")
@click.option("--input", "kind", type=click.Choice(["auto", "eye", "ring", "strip"]), help="What the pictures are.")
@click.option("--augment", metavar="K", type=click.IntRange(0), help="Write K variants more of each strip.")
@click.option("--side-by-side", is_flag=True, help="Also draw input, with what was sampled outlined, beside output.")
def rectify(
    *,
    run: _Run,
    size: str | None,
    overlays: bool,
    config: Path | None,
    overrides: tuple[str, ...],
    model: Path | None,
    kind: str | None,
    augment: int | None,
    side_by_side: bool,
) -> None:
    """Straighten irises: from photographs, painted rings or strips to rectified strips.

    SRC: folders, pictures, globs, or lists (.txt, .csv) of pictures; or the output folder of `irisstn segment`. A whole
    eye is always segmented first. Exit code: 0 all done, 3 some failed, 2 misuse, 1 crash.

    \b
    Examples:
      irisstn rectify ./eyes
      irisstn rectify ./eyes -o out --model runs/shipped --augment 4
      irisstn rectify ./eyes -o out --side-by-side      # look at OUT/side_by_side
      irisstn rectify ./strips --input strip --size 32x256
    """
    from irisstn.batch.rectify import RectifyConfig, RectifyJob
    from irisstn.config import load_config

    with _told():
        pictures = {"overlays": overlays or None, "side_by_side": side_by_side or None}
        flags = _flags(size=size, input=kind, augment=augment, **pictures)
        job = RectifyJob.of(load_config(RectifyConfig, config, [*overrides, *flags]), model)
        _run(job, run)


@cli.command()
@_folder_command
@click.option("--model", metavar="RUN", type=click.Path(path_type=Path), help="A run's folder or weights file.")
@click.option("--input", "kind", type=click.Choice(["auto", "eye", "ring", "strip"]), help="What the pictures are.")
@click.option("--plain", is_flag=True, help="Do not straighten strips with the STN first.")
def embed(
    *,
    run: _Run,
    config: Path | None,
    overrides: tuple[str, ...],
    model: Path | None,
    kind: str | None,
    plain: bool,
) -> None:
    """Turn irises into embeddings: a few hundred numbers each, near for one eye and far for two.

    SRC: folders, pictures, globs, or lists (.txt, .csv) of pictures; or the output folder of `irisstn segment` or
    `irisstn rectify`, whose strips are taken as they are. Photographs are segmented and straightened first. All
    embeddings are in OUT/embeddings.npz in the end. Exit code: 0 all done, 3 some failed, 2 misuse, 1 crash.

    \b
    Examples:
      irisstn embed ./eyes
      irisstn embed ./eyes-rectified -o out
      irisstn embed ./eyes --model runs/mine --plain
    """
    from irisstn.batch.embed import EmbedConfig, EmbedJob
    from irisstn.config import load_config

    with _told():
        flags = _flags(input=kind, rectify=False if plain else None)
        job = EmbedJob.of(load_config(EmbedConfig, config, [*overrides, *flags]), model)
        _run(job, run)


def _flags(**flags: str | int | bool | None) -> list[str]:
    """The flags that were given, as overrides of a config."""
    return [f"{name}={json.dumps(value)}" for name, value in flags.items() if value is not None]


def _run(job: Job, run: _Run) -> None:
    from irisstn.batch import Cluster, find_inputs, out_folder, run_batch

    if run.ray_address is not None and run.engine != "ray":
        raise _Misuse("--ray-address goes with --engine ray")
    out = out_folder(run.out or f"{_name_of(run.sources[0])}-{PAST[job.command]}")
    samples = find_inputs(run.sources, strips=job.command != "segment", exclude=out)
    summary = run_batch(
        job,
        samples,
        out,
        workers=run.workers or _cpus(),
        cluster=Cluster(run.ray_address, run.workers) if run.engine == "ray" else None,
        overwrite=run.overwrite,
        fail_fast=run.fail_fast,
        progress=not run.quiet and sys.stderr.isatty(),
        limit_s=run.limit,
    )
    page = _written_page(out, samples, job) if isinstance(out, Path) else None
    if run.as_json:
        click.echo(json.dumps(summary.as_dict() | {"report": str(page) if page is not None else None}))
    elif not run.quiet:
        _tell(summary, page)
    if summary.stopped_by is not None:
        sys.exit(128 + summary.stopped_by)
    sys.exit(SOME_FAILED if summary.failed else 0)


def _written_page(out: Path, samples: Samples, job: Job) -> Path:
    """What is made of all outputs together, on disk: embeddings in one file, or a page to open in a browser."""
    from irisstn.batch.embed import EmbedJob, gather_embeddings
    from irisstn.datasets import Sample
    from irisstn.report import write_report

    if isinstance(job, EmbedJob):
        return gather_embeddings(out)
    return write_report(out, [sample for sample in samples if isinstance(sample, Sample)])


def _name_of(source: str) -> str:
    """What to call the output of `source`: its folder's or file's name, a glob's last folder without a wildcard."""
    path = Path(source)
    if path.is_dir():
        return path.resolve().name or "images"
    parts = path.parts if "://" in source else path.parent.parts
    plain = [part for part in parts if not any(letter in part for letter in "*?[")]
    return path.stem if path.exists() else Path(*plain).resolve().name or "images"


def _tell(summary: Summary, page: Path | None) -> None:
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
    click.echo(f"Results and records in {summary.out}" + (f"; open {page}" if page is not None else ""))


@cli.command()
@click.argument("rows", metavar="A", type=click.Path(path_type=Path))
@click.argument("columns", metavar="[B]", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Output folder.  [default: A's name and verb]")
@click.option("--by", type=click.Choice(["code", "embedding"]), help="What to compare.  [default: what A holds]")
@click.option("--shifts", default=0, show_default=True, type=click.IntRange(0, 128), help="Code columns to search.")
@click.option("--pairs", is_flag=True, help="Also write pairs.csv, a line per pair.")
@click.option("--labels", type=click.Path(path_type=Path), help="CSV with the columns path, subject and eye.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def match(
    *,
    rows: Path,
    columns: Path | None,
    out: Path | None,
    by: Literal["code", "embedding"] | None,
    shifts: int,
    pairs: bool,
    labels: Path | None,
    quiet: bool,
) -> None:
    """Compare irises: all pairs of one output folder, or those of A with those of B.

    A and B: outputs of `irisstn embed` (cosine of embeddings) or of `irisstn segment` and `rectify` (plain iris codes,
    masked Hamming distance, the smallest over the shifts). Writes OUT/scores.npy, rows.csv and columns.csv; smaller
    scores are more alike. Memory stays flat for any number of pairs.

    \b
    Examples:
      irisstn match eyes-embedded
      irisstn match eyes-rectified --shifts 16 --pairs
      irisstn match probes gallery -o scores
    """
    from irisstn.batch.progress import Bar
    from irisstn.datasets import read_labels
    from irisstn.evaluation import read_templates, write_scores

    with _told():
        known = read_labels(labels) if labels is not None else None
        left = read_templates(rows, by, known)
        right = read_templates(columns, by, known) if columns is not None else None
        if right is not None and right.kind != left.kind:
            raise _Misuse(f"{rows} holds {left.kind}s, {columns} {right.kind}s: give --by code")
        if shifts and left.kind == "embedding":
            raise _Misuse("--shifts is for codes: embeddings are compared once; give --by code")
        folder = out or Path(f"{_name_of(str(rows))}-matched")
        about = {"a": str(rows), "b": str(columns) if columns is not None else None}
        total = len(left.names) * len((right or left).names)
        with Bar("match", total, shown=not quiet and sys.stderr.isatty()) as bar:
            write_scores(left, right, folder, max_shift=shifts, pairs=pairs, about=about, progress=bar.advance)
    if not quiet:
        click.echo(f"{total:,} scores of {left.kind}s in {folder}")


@cli.command()
@click.argument("outs", metavar="OUT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", default="evaluation", show_default=True, type=click.Path(path_type=Path), help="Folder.")
@click.option("--by", type=click.Choice(["code", "embedding"]), help="What to compare.  [default: what OUT holds]")
@click.option("--shifts", default="0", show_default=True, metavar="N,...", help="Code columns to search, each a run.")
@click.option("--resamples", default=1000, show_default=True, type=click.IntRange(0), help="For the intervals.")
@click.option("--labels", type=click.Path(path_type=Path), help="CSV with the columns path, subject and eye.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def evaluate(
    *,
    outs: tuple[Path, ...],
    out: Path,
    by: Literal["code", "embedding"] | None,
    shifts: str,
    resamples: int,
    labels: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure recognition: error rates with intervals, DET curves, histograms, and a page with all runs side by side.

    OUT: output folders of `irisstn segment`, `rectify`, `embed` or `match`. The first one is what the others are
    compared with, image by image. Needs the extra: pip install 'irisstn[report]'.

    \b
    Examples:
      irisstn evaluate eyes-segmented eyes-rectified --shifts 0,16
      irisstn evaluate eyes-embedded -o evaluation --labels whose.csv
    """
    from irisstn.datasets import read_labels
    from irisstn.report.evaluation import EvaluatedRun, rates_table, read_runs, write_evaluation

    try:
        searched = [int(part) for part in shifts.split(",")]
    except ValueError:
        raise _Misuse(f"--shifts takes numbers such as 0,16; got {shifts}") from None
    with _told():
        runs: list[EvaluatedRun] = read_runs(outs, by, searched, read_labels(labels) if labels is not None else None)
        rates = write_evaluation(runs, out, resamples=resamples)
    if as_json:
        click.echo(json.dumps({name: one.as_dict() for name, one in rates.items()}))
    elif not quiet:
        click.echo(rates_table(rates))
        click.echo(f"Figures and plots in {out}; open {out / 'evaluation.html'}")


@cli.command()
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Output folder.")
@click.option("--subjects", default=10, show_default=True, type=click.IntRange(1), help="People, two eyes each.")
@click.option("--shots", default=5, show_default=True, type=click.IntRange(1), help="Pictures of each eye.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Other seeds, other people.")
@click.option("--camera", "cameras", multiple=True, help="Camera to use; may be repeated.  [default: near infrared]")
@click.option("--workers", type=click.IntRange(1), default=_cpus, show_default="CPUs", help="Processes.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def synth(
    *, out: Path, subjects: int, shots: int, seed: int, cameras: tuple[str, ...], workers: int, quiet: bool
) -> None:
    """Render near-infrared eye pictures with exact truth. No real person's eye goes in.

    \b
    Examples:
      irisstn synth -o eyes --subjects 10 --shots 5
      irisstn synth -o tilted --camera tilted-640x480 --seed 3
    """
    from irisstn.batch.progress import Bar
    from irisstn.synthetic.folder import NEAR_INFRARED, write_eyes

    try:
        with Bar("synth", 2 * subjects * shots, shown=not quiet and sys.stderr.isatty()) as bar:
            eyes = write_eyes(
                out,
                subjects=subjects,
                shots=shots,
                seed=seed,
                cameras=cameras or NEAR_INFRARED,
                workers=min(workers, 2 * subjects),
                progress=bar.advance,
            )
    except ValueError as error:
        raise _Misuse(str(error)) from None
    if not quiet:
        click.echo(f"{2 * subjects * shots} pictures in {eyes}, their truth in {out / 'truth'}")


@cli.command()
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/ and the config's name]"
)
@click.option("--config", type=click.Path(path_type=Path), help="YAML file of settings, such as one of configs/.")
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Override one setting.")
@click.option("--labels", type=click.Path(path_type=Path), help="CSV with the columns path, subject and eye.")
@click.option("--devices", metavar="N", type=click.IntRange(1), help="Devices of each node, a process each.")
@click.option("--nodes", metavar="M", type=click.IntRange(1), help="Machines; start the command on each.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def train(
    *,
    data: Path | None,
    out: Path | None,
    config: Path | None,
    overrides: tuple[str, ...],
    labels: Path | None,
    devices: int | None,
    nodes: int | None,
    quiet: bool,
) -> None:
    """Train the rectifier and the recognition network behind it, end to end.

    DATA is a folder of eye pictures or the output folder of `irisstn segment`; identities come from names and
    folders, or from --labels. Without DATA it trains on eyes that are rendered as it goes. A run that was ended goes
    on where it was.

    \b
    Examples:
      irisstn train ./eyes -o runs/mine --set epochs=20
      irisstn train ./eyes --labels whose.csv
      irisstn train --config configs/shipped.yaml
      irisstn train ./eyes -o runs/mine --devices 2
    """
    from irisstn.batch.progress import Stages
    from irisstn.config import load_config

    with _told():
        from irisstn.training import TrainConfig
        from irisstn.training import train as train_run

        settings = load_config(TrainConfig, config, [*overrides, *_flags(devices=devices, nodes=nodes)])
        run = out or Path("runs") / (config.stem if config is not None else "default")
        watched = sys.stderr.isatty()
        with Stages(bar=watched and not quiet, lines=not quiet) as stages:
            train_run(data, run, settings, labels=labels, tell=stages.tell)
    if not quiet and os.environ.get("LOCAL_RANK", "0") == "0":  # one of a node's processes is enough
        click.echo(f"Weights and metrics in {run}; open {run / 'index.html'}")


@cli.command()
def doctor() -> None:
    """Print versions, devices, formats and weights, and test one rendered eye. Exit code: 0 well, 1 not."""
    from irisstn.doctor import describe, self_test

    for name, value in describe():
        click.echo(f"{name:<24} {value}")
    fault = self_test()
    click.echo(f"{'self-test':<24} {fault or 'passed'}")
    sys.exit(CRASH if fault else 0)
