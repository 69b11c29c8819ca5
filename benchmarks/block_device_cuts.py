"""Power cuts at random moments on a file system of its own: what the disk holds, and whether runs continue from it.

    sudo python benchmarks/block_device_cuts.py EYES [--cuts 100]

A command writes to an ext4 file system in a file. At a random moment the file system is shut down without its journal
being written (FS_IOC_SHUTDOWN), which loses what a power cut loses. It is mounted again: each record has to have its
files, and the same command has to end with the files of an uninterrupted run. Needs the right to mount.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import numpy as np
from batch_runs import ENVIRONMENT, IRISSTN, Row, differences, run
from results_file import Cell, Table, results_option, write_results
from simulated_disk import records_without_files

from irisstn.datasets import find_images

_SHUTDOWN, _WITHOUT_JOURNAL = 0x8004587D, 2  # the number of the ioctl in ext4 and XFS, and its flag NOLOGFLUSH
_MEGABYTES = 400


@contextmanager
def mounted(image: Path, at: Path) -> Iterator[Path]:
    """Mount the file system in `image` while the context lasts."""
    subprocess.run(["mount", "-o", "loop", image, at], check=True)
    try:
        yield at
    finally:
        for _ in range(50):  # a process that was killed may hold it for a moment
            if subprocess.run(["umount", at], check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.1)


def make_file_system(image: Path) -> None:
    """Make an empty ext4 file system in the file `image`. Raises OSError or CalledProcessError."""
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        file.truncate(_MEGABYTES << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)


def cut_power(at: Path) -> None:
    """Shut the file system down that is mounted at `at`."""
    folder = os.open(at, os.O_RDONLY)
    try:
        fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _WITHOUT_JOURNAL))
    finally:
        os.close(folder)


def run_until_cut(arguments: list[object], at: Path, delay_s: float) -> bool:
    """Run a command on the file system and cut its power after so many seconds.

    Returns
    -------
    bool
        Whether the command was still running.
    """
    command = [*IRISSTN, *map(str, arguments), "--quiet"]
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(delay_s)
    running = process.poll() is None
    cut_power(at)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return running


def cut_and_resume(command: str, eyes: list[Path], scratch: Path, *, cuts: int, rng: np.random.Generator) -> Row:
    """Cut the power of a command so many times, each time on a new file system, and go on.

    Parameters
    ----------
    command : {"segment", "rectify", "embed"}
        The command.
    eyes : list of Path
        Its pictures.
    scratch : Path
        A folder.
    cuts : int
        Number of cuts while it runs.
    rng : numpy.random.Generator
        Source of the moments.

    Returns
    -------
    dict
        Numbers of cuts, of records that were left, of those without their files, and of files that differ at the end.
    """
    listed = scratch / f"{command}.txt"
    listed.write_text("".join(f"{path}\n" for path in eyes))
    whole, image, disk = scratch / command / "out", scratch / "image", scratch / "disk"
    disk.mkdir(exist_ok=True)
    longest = run(command, listed, "-o", whole, "--workers", 2).seconds
    done = left = without_files = empty = failed = differing = 0
    while done < cuts:
        make_file_system(image)
        arguments: list[object] = [command, listed, "-o", disk / "out", "--workers", 2]
        with mounted(image, disk):
            if not run_until_cut(arguments, disk, float(rng.uniform(0.2, 1)) * longest):
                continue
        done += 1
        with mounted(image, disk):
            held = {path.relative_to(disk / "out").as_posix(): path.read_bytes() for path in _files(disk / "out")}
            without_files += records_without_files(held)
            left += held.get("manifest.jsonl", b"").count(b"\n")
            empty += sum(not data for data in held.values())
            failed += run(*arguments).code != 0
            differing += len(differences(disk / "out", whole))
        image.unlink()
    return {
        "power cuts while the command ran": done,
        "records left": left,
        "records left without their files": without_files,
        "empty files left": empty,
        "runs that did not continue": failed,
        "files that differ from those of an uninterrupted run": differing,
    }


def _files(out: Path) -> Iterator[Path]:
    return (path for path in out.rglob("*") if path.is_file() and path.name != ".lock")


@click.command()
@click.argument("eyes", type=click.Path(exists=True, path_type=Path))
@click.option("--cuts", default=100, show_default=True, type=click.IntRange(3), help="Power cuts of all commands.")
@click.option("--pictures", default=150, show_default=True, type=click.IntRange(1), help="Pictures of a run.")
@click.option("--seed", default=0, show_default=True, help="Seed of the moments.")
@results_option
def main(*, eyes: Path, cuts: int, pictures: int, seed: int, results: bool) -> None:
    """Count what power cuts leave that is not whole."""
    commands = ("segment", "rectify", "embed")
    chosen = [sample.path.resolve() for sample in find_images([eyes])[:pictures]]
    rows: dict[str, Row] = {}
    for number, command in enumerate(commands):
        share = len(range(number, cuts, len(commands)))
        with tempfile.TemporaryDirectory() as scratch:
            rng = np.random.default_rng([seed, number])
            rows[command] = cut_and_resume(command, chosen, Path(scratch), cuts=share, rng=rng)
        click.echo(f"{command}: {rows[command]}")
    if results:
        quantities = list(rows["segment"])
        cells: list[list[Cell]] = [[one, *(str(row[one]) for row in rows.values())] for one in quantities]
        options = f"EYES --cuts {cuts} --pictures {pictures} --seed {seed}"
        table = Table("Power cuts of an ext4 file system at random moments, two workers", ["quantity", *rows], cells)
        command = f"python benchmarks/block_device_cuts.py {options}"
        click.echo(write_results("block-device-cuts", command, [table], seed=seed))


if __name__ == "__main__":
    main()
