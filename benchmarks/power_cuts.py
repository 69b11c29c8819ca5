"""Power cuts at random moments, simulated: no incomplete output passes for a complete one, and runs continue.

    python benchmarks/power_cuts.py EYES [--cuts 50]

segment, embed, match and train run in this process. What a cut leaves is simulated from the calls that wait for the
disk, see `simulated_disk.py`. The manifest is left whole, also what was written last: the worst case.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from batch_runs import Row, differences, output_files
from growth import write_embeddings
from results_file import Cell, Table, results_option, write_results
from simulated_disk import records_without_files, restore, watch_syncs
from toy_training import TRAINING

from irisstn.batch import run_batch
from irisstn.batch.jobs.embed import EmbedConfig, EmbedJob, gather_embeddings
from irisstn.batch.jobs.segment import SegmentConfig, SegmentJob
from irisstn.datasets import find_images
from irisstn.errors import DatasetError, OutputError
from irisstn.evaluation import read_scores, read_templates, write_scores
from irisstn.outputs import group_commit
from irisstn.outputs.reader import read_embeddings
from irisstn.outputs.settings import read_settings
from irisstn.training import TrainConfig, train

_EMBEDDINGS = 300  # that `match` compares


@dataclass(frozen=True)
class Command:
    """A command in this process.

    Attributes
    ----------
    run : callable
        Writes the output folder, or goes on with it.
    taken_for_whole : callable
        Of how many records or files in a folder a reader would say that they are whole, while they are not those of an
        uninterrupted run, the second folder; the first one holds what a cut has left, which the third argument lists.
    """

    run: Callable[[Path], object]
    taken_for_whole: Callable[[Path, Path, Mapping[str, bytes]], int]


def commands(eyes: Path, scratch: Path) -> dict[str, Command]:
    """The commands by name; `scratch` is an empty folder for their inputs."""
    samples, embedded = find_images([eyes]), scratch / "embedded"
    write_embeddings(embedded, _EMBEDDINGS, seed=0)
    with (embedded / "manifest.jsonl").open("a") as manifest:
        manifest.write('{"path": "000001/L/failed.png", "status": "failed"}\n')
    segment_job, embed_job = SegmentJob(SegmentConfig()), EmbedJob.of(EmbedConfig())
    config = TrainConfig.model_validate(TRAINING)

    def embed(out: Path) -> None:
        run_batch(embed_job, samples, out)
        gather_embeddings(out)

    return {
        "segment": Command(lambda out: run_batch(segment_job, samples, out), _records),
        "embed": Command(embed, _embeddings),
        "match": Command(lambda out: write_scores(read_templates(embedded), None, out), _scores),
        "train": Command(lambda out: train(None, out, config), _training),
    }


def _records(folder: Path, whole: Path, left: Mapping[str, bytes]) -> int:
    return records_without_files(dict(left))


def _embeddings(folder: Path, whole: Path, left: Mapping[str, bytes]) -> int:
    try:
        names, held = read_embeddings(folder)
    except (DatasetError, OutputError):
        return _records(folder, whole, left)
    wanted, vectors = read_embeddings(whole)
    return _records(folder, whole, left) + (names != wanted or not np.array_equal(held, vectors))


def _scores(folder: Path, whole: Path, left: Mapping[str, bytes]) -> int:
    try:
        held, wanted = read_scores(folder), read_scores(whole)
    except DatasetError:
        return 0
    return not (held.failed == wanted.failed and np.array_equal(held.distances, wanted.distances))


def _training(folder: Path, whole: Path, left: Mapping[str, bytes]) -> int:
    try:
        finished = read_settings(folder / "run.json")["finished"]
    except (OSError, OutputError):
        return 0
    # Rendered eyes that a cut has left are removed when the command is given again.
    files = output_files(whole)
    return sum(name in files for name in differences(folder, whole)) if finished else 0


def cut_and_resume(command: Command, scratch: Path, *, cuts: int, resumed: int, rng: np.random.Generator) -> Row:
    """Run a command, look at what power cuts would have left, and go on from some of them.

    Parameters
    ----------
    command : Command
        The command.
    scratch : Path
        An empty folder.
    cuts : int
        Number of cuts, drawn from all moments at which something reached the disk.
    resumed : int
        After how many of them the command is given again.
    rng : numpy.random.Generator
        Source of what is drawn.

    Returns
    -------
    dict
        Numbers of moments, cuts, what was taken for whole and was not, and files that differ at the end.
    """
    out = scratch / "out"
    with watch_syncs(out, every_sync=True) as disk:
        command.run(out)
    drawn = [disk.cuts[i] for i in rng.permutation(len(disk.cuts))[:cuts]]
    taken = differing = 0
    for number, left in enumerate(drawn):
        again = scratch / f"cut-{number}" / "out"  # pages have the folder's name
        again.mkdir(parents=True)
        restore(left, again)
        taken += command.taken_for_whole(again, out, left)
        if number < resumed:
            command.run(again)
            differing += len(differences(again, out))
    return {
        "moments at which something reached the disk": len(disk.cuts),
        "power cuts": len(drawn),
        "records or files taken for whole that were not": taken,
        "cuts after which the command was given again": min(resumed, len(drawn)),
        "files that differ from those of an uninterrupted run": differing,
    }


@click.command()
@click.argument("eyes", type=click.Path(exists=True, path_type=Path))
@click.option("--cuts", default=50, show_default=True, help="Power cuts of each command.")
@click.option("--resumed", default=6, show_default=True, help="Cuts after which a command is given again.")
@click.option("--seed", default=0, show_default=True, help="Seed of the moments.")
@results_option
def main(*, eyes: Path, cuts: int, resumed: int, seed: int, results: bool) -> None:
    """Count what power cuts leave that passes for whole and is not."""
    rows: dict[str, Row] = {}
    group_commit.LARGEST = 2  # more moments
    with tempfile.TemporaryDirectory() as scratch:
        for name, command in commands(eyes, Path(scratch)).items():
            rng, folder = np.random.default_rng([seed, len(name)]), Path(scratch) / name
            rows[name] = cut_and_resume(command, folder, cuts=cuts, resumed=resumed, rng=rng)
            click.echo(f"{name}: {rows[name]}")
    if results:
        quantities = list(next(iter(rows.values())))
        cells: list[list[Cell]] = [[one, *(str(row[one]) for row in rows.values())] for one in quantities]
        options = f"EYES --cuts {cuts} --resumed {resumed} --seed {seed}"
        table = Table("Power cuts at random moments, simulated", ["quantity", *rows], cells)
        click.echo(write_results("power-cuts", f"python benchmarks/power_cuts.py {options}", [table], seed=seed))


if __name__ == "__main__":
    main()
