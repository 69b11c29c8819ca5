"""Runs that are killed at random moments and resumed: nothing lost, nothing twice."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
from batch_runs import ENVIRONMENT, IRISSTN, Row, differences, output_files, run

from irisstn.datasets import find_images
from irisstn.outputs.manifest import read_manifest


def kill_and_resume(eyes: Path, scratch: Path, *, kills: int, workers: int, seed: int) -> Row:
    """Kill a run over `eyes` `kills` times at random moments, resume it to the end, and compare.

    A life ends after a random number of further records and a random moment more; one in eight at any moment of its
    first second, when it has not begun to write. A run that is through before its kill is begun anew elsewhere.
    """
    rng = np.random.default_rng(seed)
    total = len(find_images([eyes]))
    unbroken, broken = scratch / "unbroken", scratch / "broken"
    run("segment", eyes, "-o", unbroken, "--workers", 1)
    done = whole = 0
    while done < kills:
        process = subprocess.Popen(
            [*IRISSTN, "segment", str(eyes), "-o", str(broken), "--workers", str(workers), "--quiet"], env=ENVIRONMENT
        )
        if rng.random() < 1 / 8:
            time.sleep(float(rng.uniform(0, 1)))
        else:
            _wait_for_lines(broken, process, _lines(broken) + int(rng.integers(0, 2 * total // kills)))
            time.sleep(float(rng.uniform(0, 0.05)))
        if process.poll() is None:
            process.kill()
            done += 1
        process.wait()
        if process.returncode >= 0:
            whole += 1
            assert not differences(broken, unbroken)
            shutil.rmtree(broken)
    last = run("segment", eyes, "-o", broken, "--workers", workers)
    names = [record["path"] for record in read_manifest(broken)]
    lines = (broken / "manifest.jsonl").read_bytes().count(b"\n")
    leftovers = [path.name for path in broken.rglob("*.tmp")]
    return {
        "inputs": total,
        "kills": done,
        "runs that ended before their kill": whole,
        "workers": workers,
        "seed": seed,
        "skipped by the last run": last.summary["skipped"],
        "records": len(names),
        "lines in the manifest": lines,
        "inputs lost": len({sample.name for sample in find_images([eyes])} - set(map(str, names))),
        "inputs twice": lines - len(set(names)),
        "files compared": len(output_files(unbroken)),
        "files that differ": len(differences(broken, unbroken)),
        "leftovers": len(leftovers),
    }


def _lines(out: Path) -> int:
    manifest = out / "manifest.jsonl"
    return manifest.read_bytes().count(b"\n") if manifest.exists() else 0


def _wait_for_lines(out: Path, process: subprocess.Popen[bytes], count: int) -> None:
    manifest, size = out / "manifest.jsonl", -1
    while process.poll() is None:
        if manifest.exists() and manifest.stat().st_size != size:  # which is cheaper to look at than its lines
            size = manifest.stat().st_size
            if _lines(out) >= count:
                return
        time.sleep(0.005)
