"""Reliability and cost of the folder runner at full size.

    irisstn synth -o RENDERED --subjects 100 --captures 5 --seed 200     # 1,000 rendered eyes, for the commands below
    python benchmarks/batch.py kills RENDERED/eyes [--kills 100] [--workers 2]
    python benchmarks/batch.py command-kills FEW/eyes [--kills 50]
    python benchmarks/batch.py junk RENDERED/eyes [--count 10000]
    python benchmarks/batch.py speed EYES [--repeats 3]
    python benchmarks/batch.py memory EYES
    python benchmarks/batch.py ray RENDERED/eyes

kills   SIGKILL at random moments of `irisstn segment`, resumed each time; then every file is compared with those of an
        uninterrupted run.
command-kills   The same of segment, rectify, embed, match, synth and train, each killed so many times by SIGKILL,
        SIGTERM or SIGINT; with few and small inputs, since a run should last seconds.
junk    Files of all formats that are truncated, or have flipped bits or wrong headers, through `irisstn segment`.
speed   Images per second with 1 and 2 workers, and of two commands with half of the images each, which is what two
        cores of the machine can do; and the CPU time per image beyond a baseline: to read, decode, remap, encode and
        write the same files with OpenCV only. All are measured in turn. CPU time depends less than elapsed time on
        other processes of the machine, whose load is printed. Start-up and report are included.
memory  Peak memory of the largest process over 10,000 images (links to the same ones), and over 1,000.
ray     Output of `--engine ray` compared with the local engine, byte for byte.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from batch_junk import segment_junk
from batch_kills import kill_and_resume
from batch_ray import compare_ray
from batch_runs import Row
from batch_speed import measure_memory, measure_speed
from command_kills import commands, kill_command
from results_file import Cell, Table, results_option, write_results


def report(
    name: str, title: str, options: str, rows: Sequence[Row], *, columns: Sequence[str], seed: int, results: bool
) -> None:
    """Print rows as a table, one column for each, and write them to benchmarks/results/batch-NAME.json.

    Parameters
    ----------
    name : str
        The subcommand.
    title : str
        Title of the table.
    options : str
        Arguments of the subcommand, as a user types them.
    rows : sequence of Row
        The measurements.
    columns : sequence of str
        Heading of each row's column.
    seed : int
        Seed of the benchmark.
    results : bool
        Whether to write the file.
    """
    cells: list[list[Cell]] = [[key, *(_cell(row.get(key, "")) for row in rows)] for key in rows[0]]
    for line in cells:
        click.echo(f"{line[0]:<45}" + "".join(f"{cell!s:>14}" for cell in line[1:]))
    if results:
        command = f"python benchmarks/batch.py {name} {options}"
        click.echo(write_results(f"batch-{name}", command, [Table(title, ["quantity", *columns], cells)], seed=seed))


def _cell(value: object) -> Cell:
    return value if isinstance(value, int | float | str) else str(value)


@click.group()
def main() -> None:
    """Benchmarks of the folder runner."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that temporary folders are removed


EYES = click.argument("eyes", type=click.Path(exists=True, path_type=Path))
WORKERS = click.option("--workers", default=2, show_default=True, help="Worker processes.")
SEED = click.option("--seed", default=0, show_default=True, help="Seed of what is drawn at random.")


@main.command("kills")
@EYES
@click.option("--kills", default=100, show_default=True, help="How often the run is killed.")
@WORKERS
@SEED
@results_option
def _kills(*, eyes: Path, kills: int, workers: int, seed: int, results: bool) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        row = kill_and_resume(eyes, Path(scratch), kills=kills, workers=workers, seed=seed)
    title = f"A run that is killed {kills} times and resumed, compared with an uninterrupted one"
    options = f"EYES --kills {kills} --workers {workers} --seed {seed}"
    report("kills", title, options, [row], columns=["value"], seed=seed, results=results)


@main.command("command-kills")
@EYES
@click.option("--kills", default=50, show_default=True, help="How often each command is killed.")
@click.option("--command", "only", multiple=True, help="A command; may be repeated.  [default: all]")
@SEED
@results_option
def _command_kills(*, eyes: Path, kills: int, only: tuple[str, ...], seed: int, results: bool) -> None:
    rows, names = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for name, arguments in commands(eyes, Path(scratch)).items():
            if not only or name in only:
                names.append(name)
                folder = Path(scratch) / name
                rows.append(kill_command(arguments, folder, kills=kills, rng=np.random.default_rng([seed, len(name)])))
                click.echo(f"{name}: {rows[-1]}", err=True)
    options = "EYES " + "".join(f"--command {name} " for name in only) + f"--kills {kills} --seed {seed}"
    title = "Commands that are killed and given again, compared with uninterrupted ones"
    report("command-kills", title, options, rows, columns=names, seed=seed, results=results)


@main.command("junk")
@EYES
@click.option("--count", default=10_000, show_default=True, help="Damaged files.")
@WORKERS
@SEED
@results_option
def _junk(*, eyes: Path, count: int, workers: int, seed: int, results: bool) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        row = segment_junk(eyes, Path(scratch), count=count, workers=workers, seed=seed)
    options = f"EYES --count {count} --workers {workers} --seed {seed}"
    report("junk", f"{count} damaged files", options, [row], columns=["value"], seed=seed, results=results)


@main.command("speed")
@EYES
@click.option("--repeats", default=3, show_default=True, help="Repetitions of all measurements.")
@results_option
def _speed(*, eyes: Path, repeats: int, results: bool) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        rows = measure_speed(eyes, Path(scratch), repeats=repeats)
    columns = [*(f"run {number}" for number in range(1, repeats + 1)), "median"]
    title = "Speed of `irisstn segment`; single runs, without an interval"
    report("speed", title, f"EYES --repeats {repeats}", rows, columns=columns, seed=0, results=results)


@main.command("memory")
@EYES
@click.option("--sizes", default=(1000, 10_000), multiple=True, show_default=True, help="Numbers of images.")
@WORKERS
@results_option
def _memory(*, eyes: Path, sizes: tuple[int, ...], workers: int, results: bool) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        rows = measure_memory(eyes, Path(scratch), sizes=sizes, workers=workers)
    options = "EYES " + "".join(f"--sizes {size} " for size in sizes) + f"--workers {workers}"
    columns = [f"{size} images" for size in sizes]
    title = "Peak memory of the largest process of `irisstn segment`"
    report("memory", title, options, rows, columns=columns, seed=0, results=results)


@main.command("ray")
@EYES
@WORKERS
@results_option
def _ray(*, eyes: Path, workers: int, results: bool) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        row = compare_ray(eyes, Path(scratch), workers=workers)
    title = "Output of the engine Ray compared with the local engine"
    report("ray", title, f"EYES --workers {workers}", [row], columns=["value"], seed=0, results=results)


if __name__ == "__main__":
    main()
