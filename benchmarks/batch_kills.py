"""Runs that are killed at random moments and resumed: no record may be lost or doubled."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import click
import numpy as np
from batch_runs import ENVIRONMENT, IRISSTN, Row, differences, output_files, run

from irisstn.datasets import find_images
from irisstn.outputs.manifest import read_manifest


def kill_and_resume(eyes: Path, scratch: Path, *, kills: int, workers: int, seed: int) -> Row:
    """Kill a run several times, resume it to the end, and compare its files with those of an uninterrupted run.

    A process is killed after a random number of further records and a random delay; every eighth process within its
    first second, before it writes. If a run ends before it is killed, its output is compared and deleted, and it starts
    again.

    Parameters
    ----------
    eyes : Path
        Folder of images.
    scratch : Path
        An empty folder.
    kills : int
        Number of SIGKILLs.
    workers : int
        Worker processes.
    seed : int
        Seed of the moments.

    Returns
    -------
    Row
        Numbers of inputs, records, and files that are lost, doubled or different.
    """
    rng = np.random.default_rng(seed)
    total = len(find_images([eyes]))
    reference, out = scratch / "uninterrupted", scratch / "killed"
    run("segment", eyes, "-o", reference, "--workers", 1)
    done = complete = 0
    while done < kills:
        process = subprocess.Popen(
            [*IRISSTN, "segment", str(eyes), "-o", str(out), "--workers", str(workers), "--quiet"], env=ENVIRONMENT
        )
        if rng.random() < 1 / 8:
            time.sleep(float(rng.uniform(0, 1)))
        else:
            _wait_for_lines(out, process, _lines(out) + int(rng.integers(0, max(1, 2 * total // kills))))
            time.sleep(float(rng.uniform(0, 0.05)))
        if process.poll() is None:
            process.kill()
            done += 1
        process.wait()
        if process.returncode >= 0:
            complete += 1
            if differences(out, reference):
                raise click.ClickException("a run that was resumed wrote other files")
            shutil.rmtree(out)
    last = run("segment", eyes, "-o", out, "--workers", workers)
    names = [record["path"] for record in read_manifest(out)]
    lines = (out / "manifest.jsonl").read_bytes().count(b"\n")
    leftovers = [path.name for path in out.rglob("*.tmp")]
    return {
        "inputs": total,
        "kills": done,
        "runs that ended before their kill": complete,
        "workers": workers,
        "seed": seed,
        "skipped by the last run": last.summary["skipped"],
        "records": len(names),
        "lines in the manifest": lines,
        "inputs lost": len({sample.name for sample in find_images([eyes])} - set(map(str, names))),
        "inputs twice": lines - len(set(names)),
        "files compared": len(output_files(reference)),
        "files that differ": len(differences(out, reference)),
        "leftovers": len(leftovers),
    }


def _lines(out: Path) -> int:
    manifest = out / "manifest.jsonl"
    return manifest.read_bytes().count(b"\n") if manifest.exists() else 0


def _wait_for_lines(out: Path, process: subprocess.Popen[bytes], count: int) -> None:
    manifest, size = out / "manifest.jsonl", -1
    while process.poll() is None:
        if manifest.exists() and manifest.stat().st_size != size:  # reading the size is cheaper than counting lines
            size = manifest.stat().st_size
            if _lines(out) >= count:
                return
        time.sleep(0.005)
