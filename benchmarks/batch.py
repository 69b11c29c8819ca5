"""What the folder runner promises, at full size: nothing lost, nothing twice, bounded memory, little overhead.

    irisstn synth -o RENDERED --subjects 100 --shots 5 --seed 200       # 1,000 rendered eyes, for all below
    python benchmarks/batch.py kills RENDERED/eyes [--kills 100] [--workers 2]
    python benchmarks/batch.py junk RENDERED/eyes [--count 10000]
    python benchmarks/batch.py speed EYES [--repeats 3]
    python benchmarks/batch.py memory EYES
    python benchmarks/batch.py ray RENDERED/eyes

kills   SIGKILL at random moments of `irisstn segment`, resumed each time; then every file against an unbroken run.
junk    files truncated, bit-flipped, with spliced or lying headers, in all formats, through `irisstn segment`.
speed   pictures a second at 1 and 2 workers, and what a picture takes beyond reading, decoding, one remap, encoding and
        writing the same files with bare OpenCV, measured in the same run (the floor). In CPU time, which other users of
        the machine disturb less, start and page included; the load that they make is printed.
memory  the largest process of a run over 10,000 pictures (links to the same ones) against one over 1,000.
ray     `--engine ray` against the local engine, byte for byte.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
from batch_junk import segment_junk
from batch_kills import kill_and_resume
from batch_ray import compare_ray
from batch_runs import Row
from batch_speed import measure_memory, measure_speed


def progress(rows: Sequence[Row]) -> None:
    """Print rows as a table, a column for each."""
    for name in rows[0]:
        click.echo(f"{name:<40}" + "".join(f"{row.get(name, '')!s:>14}" for row in rows))


@click.group()
def main() -> None:
    """Benchmarks of the folder runner."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that scratch folders are removed


EYES = click.argument("eyes", type=click.Path(exists=True, path_type=Path))
WORKERS = click.option("--workers", default=2, show_default=True)
SEED = click.option("--seed", default=0, show_default=True)


@main.command("kills")
@EYES
@click.option("--kills", default=100, show_default=True)
@WORKERS
@SEED
def _kills(*, eyes: Path, kills: int, workers: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        progress([kill_and_resume(eyes, Path(scratch), kills=kills, workers=workers, seed=seed)])


@main.command("junk")
@EYES
@click.option("--count", default=10_000, show_default=True)
@WORKERS
@SEED
def _junk(*, eyes: Path, count: int, workers: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        progress([segment_junk(eyes, Path(scratch), count=count, workers=workers, seed=seed)])


@main.command("speed")
@EYES
@click.option("--repeats", default=3, show_default=True)
def _speed(*, eyes: Path, repeats: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        progress(measure_speed(eyes, Path(scratch), repeats=repeats))


@main.command("memory")
@EYES
@click.option("--sizes", default=(1000, 10_000), multiple=True, show_default=True)
@WORKERS
def _memory(*, eyes: Path, sizes: tuple[int, ...], workers: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        progress(measure_memory(eyes, Path(scratch), sizes=sizes, workers=workers))


@main.command("ray")
@EYES
@WORKERS
def _ray(*, eyes: Path, workers: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        progress([compare_ray(eyes, Path(scratch), workers=workers)])


if __name__ == "__main__":
    main()
