"""Power cuts at random moments of a run, simulated: no record that is left may lack a file, and runs go on.

    python benchmarks/power_cuts.py EYES [--cuts 200]

What a cut leaves is simulated from the calls that wait for the disk, see `simulated_disk.py`. The manifest is left
whole, also what was written last: the worst case.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import numpy as np
from batch_runs import Row, differences
from results_file import Table, results_option, write_results
from simulated_disk import records_without_files, restore, watch_syncs

from irisstn.batch import run_batch
from irisstn.batch.jobs.segment import SegmentConfig, SegmentJob
from irisstn.datasets import find_images
from irisstn.outputs import group_commit


def cut_and_resume(eyes: Path, scratch: Path, *, cuts: int, resumed: int, seed: int) -> Row:
    """Segment a folder, look at what power cuts would have left, and go on from some of them.

    Parameters
    ----------
    eyes : Path
        Folder of images.
    scratch : Path
        An empty folder.
    cuts : int
        Number of cuts, drawn from all moments at which something reached the disk.
    resumed : int
        After how many of them the run is resumed.
    seed : int
        Seed of what is drawn.

    Returns
    -------
    Row
        Numbers of moments, cuts, records that were left, records without their files, and files that differ at the end.
    """
    rng, samples, out = np.random.default_rng(seed), find_images([eyes]), scratch / "out"
    group_commit.LARGEST = 2  # more moments
    with watch_syncs(out, every_sync=True) as disk:
        run_batch(SegmentJob(SegmentConfig()), samples, out)
    drawn = [disk.cuts[i] for i in rng.permutation(len(disk.cuts))[:cuts]]
    differing = 0
    for number, left in enumerate(drawn[:resumed]):
        again = scratch / f"cut-{number}"
        restore(left, again)
        run_batch(SegmentJob(SegmentConfig()), samples, again)
        differing += len(differences(again, out))
    return {
        "pictures": len(samples),
        "moments at which something reached the disk": len(disk.cuts),
        "power cuts": len(drawn),
        "records left, over all cuts": sum(left["manifest.jsonl"].count(b"\n") for left in drawn),
        "records without their files": sum(records_without_files(left) for left in drawn),
        "cuts after which the run was resumed": min(resumed, len(drawn)),
        "files that differ from those of an uninterrupted run": differing,
    }


@click.command()
@click.argument("eyes", type=click.Path(exists=True, path_type=Path))
@click.option("--cuts", default=200, show_default=True, help="Power cuts.")
@click.option("--resumed", default=10, show_default=True, help="Cuts after which the run is resumed.")
@click.option("--seed", default=0, show_default=True, help="Seed of the moments.")
@results_option
def main(*, eyes: Path, cuts: int, resumed: int, seed: int, results: bool) -> None:
    """Count records without files after simulated power cuts."""
    with tempfile.TemporaryDirectory() as scratch:
        row = cut_and_resume(eyes, Path(scratch), cuts=cuts, resumed=resumed, seed=seed)
    for name, value in row.items():
        click.echo(f"{name:<56} {value}")
    if results:
        cells = [[name, str(value)] for name, value in row.items()]
        command = f"python benchmarks/power_cuts.py EYES --cuts {cuts} --resumed {resumed} --seed {seed}"
        table = Table("`irisstn segment`, power cuts at random moments, simulated", ["quantity", "value"], cells)
        click.echo(write_results("power-cuts", command, [table], seed=seed))


if __name__ == "__main__":
    main()
