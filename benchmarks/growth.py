"""How time and memory grow with the number of records and of embeddings.

    irisstn synth -o RENDERED --subjects 2 --captures 2
    python benchmarks/growth.py resume RENDERED/eyes [--sizes 1000000]
    python benchmarks/growth.py comparisons [--sizes 100000] [--most-scores 1000000000]
    python benchmarks/growth.py match [--sizes 30000]

resume        `irisstn segment` with nothing to do, in a folder whose manifest holds so many records of other pictures.
comparisons   `irisstn evaluate` of that many random embeddings, four of each eye, and `irisstn match` of them, which
              writes all scores, with as many of them as give no more than the most scores.
match         `irisstn match` of all pairs of that many random embeddings. The disk holds 4 bytes for each meanwhile.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from batch_runs import Run, run
from results_file import Cell, Figure, Table, results_option, write_results

from irisstn.outputs.manifest import MANIFEST
from irisstn.outputs.records import Record, format_record, output_file, parse_record

_CAPTURES = 4  # of each eye
_LENGTH = 512  # of an embedding
_SPREAD = 0.8  # deviation of a capture from its eye, whose numbers have a deviation of 1
_COLUMNS = ("size", "elapsed", "CPU time", "peak memory")


def resume_cost(eyes: Path, scratch: Path, size: int) -> Run:
    """Resume a finished run in a folder that holds many more records.

    Parameters
    ----------
    eyes : Path
        Folder of images.
    scratch : Path
        An empty folder.
    size : int
        Number of further records.

    Returns
    -------
    Run
        The run that finds nothing to do.
    """
    out = scratch / f"resumed-{size}"
    first = run("segment", eyes, "-o", out, "--workers", 1)
    lines = (out / MANIFEST).read_bytes().splitlines(keepends=True)
    record = next(one for line in lines if (one := parse_record(line)) is not None and one["status"] == "ok")
    before, _, after = format_record(record).partition(record["path"].encode())
    with (out / MANIFEST).open("ab") as manifest:
        for number in range(size):
            manifest.write(before + f"{number // 10:07d}/L/{number:08d}.png".encode() + after)
    done = run("segment", eyes, "-o", out, "--workers", 1)
    if done.code or done.summary["skipped"] != first.summary["done"]:
        raise click.ClickException("the run did not resume")
    return done


def write_embeddings(out: Path, size: int, *, seed: int) -> None:
    """Write an output folder with random embeddings, four of each eye.

    Parameters
    ----------
    out : Path
        The folder.
    size : int
        Number of embeddings.
    seed : int
        Seed of their numbers.
    """
    rng = np.random.default_rng(seed)
    (out / "embeddings").mkdir(parents=True)
    centre = np.zeros(_LENGTH)
    with (out / MANIFEST).open("wb") as manifest:
        for number in range(size):
            if number % _CAPTURES == 0:
                centre = rng.normal(size=_LENGTH)
            path = f"{number // _CAPTURES:06d}/L/{number}.png"
            record: Record = {"path": path, "status": "ok", "embedding": output_file("embedding", f"{number}")}
            np.save(out / record["embedding"], (centre + _SPREAD * rng.normal(size=_LENGTH)).astype(np.float32))
            manifest.write(format_record(record))


def comparison_costs(scratch: Path, size: int, *, most_scores: int, seed: int) -> tuple[Run, Run]:
    """Evaluate random embeddings, and match them with as many of them as give no more than the most scores.

    Parameters
    ----------
    scratch : Path
        An empty folder.
    size : int
        Number of embeddings.
    most_scores : int
        Scores that may be written, 4 bytes each.
    seed : int
        Seed of the embeddings.

    Returns
    -------
    tuple of Run
        Those of `evaluate` and of `match`.
    """
    everything, some = scratch / f"all-{size}", scratch / f"some-{size}"
    write_embeddings(everything, size, seed=seed)
    evaluated = run("evaluate", everything, "-o", scratch / f"evaluated-{size}")
    write_embeddings(some, matched_with(size, most_scores), seed=seed)
    matched = run("match", everything, some, "-o", scratch / f"scores-{size}", as_json=False)
    if evaluated.code or matched.code:
        raise click.ClickException("evaluate or match failed")
    return evaluated, matched


def match_cost(scratch: Path, size: int, *, seed: int) -> Run:
    """Match all pairs of random embeddings.

    Parameters
    ----------
    scratch : Path
        An empty folder.
    size : int
        Number of embeddings.
    seed : int
        Seed of the embeddings.

    Returns
    -------
    Run
        The run of `match`.
    """
    write_embeddings(scratch / "embeddings", size, seed=seed)
    matched = run("match", scratch / "embeddings", "-o", scratch / "scores", as_json=False)
    if matched.code:
        raise click.ClickException("match failed")
    return matched


def matched_with(size: int, most_scores: int) -> int:
    """With how many embeddings `size` of them are matched."""
    return min(size, max(1, most_scores // size))


def _row(label: str, done: Run) -> list[Cell]:
    return [
        label,
        Figure(round(done.seconds, 1), unit="s"),
        Figure(round(done.cpu_s, 1), unit="s"),
        Figure(round(done.peak_mb), unit="MB"),
    ]


def _report(name: str, command: str, tables: Sequence[Table], *, seed: int, results: bool) -> None:
    for table in tables:
        click.echo(table.title)
        for row in table.rows:
            cells = (f"{cell.value:g} {cell.unit}" if isinstance(cell, Figure) else str(cell) for cell in row)
            click.echo("  " + "  ".join(f"{cell:>24}" for cell in cells))
    if results:
        click.echo(write_results(name, command, tables, seed=seed))


@click.group()
def main() -> None:
    """How time and memory grow."""


@main.command("resume")
@click.argument("eyes", type=click.Path(exists=True, path_type=Path))
@click.option("--sizes", default=(10_000, 100_000, 1_000_000), multiple=True, show_default=True, help="Records.")
@results_option
def _resume(*, eyes: Path, sizes: tuple[int, ...], results: bool) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        rows = [_row(f"{size:,} records", resume_cost(eyes, Path(scratch), size)) for size in sizes]
    title = "`irisstn segment` with nothing to do, by the number of records of other pictures; single runs"
    command = "python benchmarks/growth.py resume EYES" + "".join(f" --sizes {size}" for size in sizes)
    _report("growth-resume", command, [Table(title, _COLUMNS, rows)], seed=0, results=results)


@main.command("comparisons")
@click.option("--sizes", default=(10_000, 100_000), multiple=True, show_default=True, help="Embeddings.")
@click.option("--most-scores", default=1_000_000_000, show_default=True, help="Scores that match writes, 4 bytes each.")
@click.option("--seed", default=0, show_default=True, help="Seed of the embeddings.")
@results_option
def _comparisons(*, sizes: tuple[int, ...], most_scores: int, seed: int, results: bool) -> None:
    evaluated, matched = [], []
    for number, size in enumerate(sizes, 1):
        with tempfile.TemporaryDirectory() as scratch:
            costs = comparison_costs(Path(scratch), size, most_scores=most_scores, seed=seed)
        evaluated.append(_row(f"{size:,}", costs[0]))
        matched.append(_row(f"{size:,} x {matched_with(size, most_scores):,}", costs[1]))
        tables = [
            Table(
                "`irisstn evaluate` of embeddings, all pairs, 1000 bootstrap samples; single runs", _COLUMNS, evaluated
            ),
            Table("`irisstn match` of embeddings; single runs", _COLUMNS, matched),
        ]
        options = "".join(f" --sizes {one}" for one in sizes[:number]) + f" --most-scores {most_scores} --seed {seed}"
        command = f"python benchmarks/growth.py comparisons{options}"
        # After each size: the last ones take hours on a busy machine.
        _report("growth-comparisons", command, tables, seed=seed, results=results)


@main.command("match")
@click.option("--sizes", default=(10_000, 30_000), multiple=True, show_default=True, help="Embeddings.")
@click.option("--seed", default=0, show_default=True, help="Seed of the embeddings.")
@results_option
def _match(*, sizes: tuple[int, ...], seed: int, results: bool) -> None:
    rows: list[list[Cell]] = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            label, *cost = _row(f"{size:,}", match_cost(Path(scratch), size, seed=seed))
        rows.append([label, Figure(round(4 * size**2 / 1e9, 2), unit="GB"), *cost])
    columns = (_COLUMNS[0], "scores", *_COLUMNS[1:])
    options = "".join(f" --sizes {one}" for one in sizes) + f" --seed {seed}"
    table = Table("`irisstn match` of embeddings, all pairs; single runs", columns, rows)
    _report("growth-match", f"python benchmarks/growth.py match{options}", [table], seed=seed, results=results)


if __name__ == "__main__":
    main()
