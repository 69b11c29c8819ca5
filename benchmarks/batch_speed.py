"""Cost of the folder runner: images per second, CPU time beyond a baseline, memory."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from batch_runs import Row, Run, run

from irisstn.batch import SegmentConfig, SegmentJob
from irisstn.batch.jobs.job import JobInput
from irisstn.datasets import find_images
from irisstn.images import encode_png, read_gray
from irisstn.outputs.manifest import read_manifest


def baseline_ms(pictures: Sequence[Path], scratch: Path) -> float:
    """Measure the baseline: read, decode and remap each image to a strip, then encode and write four files.

    Parameters
    ----------
    pictures : sequence of Path
        Image files.
    scratch : Path
        A folder that is made and removed.

    Returns
    -------
    float
        CPU time per image, ms.
    """
    cv2.setNumThreads(1)
    angle, row = np.meshgrid(np.linspace(0, 2 * np.pi, 512), np.linspace(30, 100, 64))
    x, y = (np.asarray(row * wave(angle), np.float32) for wave in (np.cos, np.sin))
    scratch.mkdir(parents=True, exist_ok=True)
    started = time.process_time()
    for number, path in enumerate(pictures):
        image = read_gray(path)
        strip = cv2.remap(image, x + image.shape[1] / 2, y + image.shape[0] / 2, cv2.INTER_LINEAR)
        for kind, picture in enumerate((strip, strip > 99, image > 99, image > 128)):
            (scratch / f"{number}-{kind}.png").write_bytes(encode_png(np.asarray(picture)))
    taken = 1000 * (time.process_time() - started) / len(pictures)
    shutil.rmtree(scratch)
    return taken


def job_ms(pictures: Sequence[Path]) -> float:
    """Measure the function of `segment` for one image, without the runner and without files.

    Parameters
    ----------
    pictures : sequence of Path
        Image files.

    Returns
    -------
    float
        CPU time per image, ms.
    """
    with SegmentJob(SegmentConfig()).start() as process:
        inputs = [JobInput(path.name, path.read_bytes()) for path in pictures]
        started = time.process_time()
        for source in inputs:
            try:
                process(source)
            except Exception:  # the time of images without an iris counts as well
                continue
        return 1000 * (time.process_time() - started) / len(pictures)


def measure_speed(eyes: Path, scratch: Path, *, repeats: int) -> list[Row]:
    """Measure baseline, `irisstn segment` with one and two workers, and two commands on half of the images each.

    Two commands share nothing but the machine, so they show how much two of its cores do. All are measured in turn.

    Parameters
    ----------
    eyes : Path
        Folder of images.
    scratch : Path
        An empty folder.
    repeats : int
        Number of measurements.

    Returns
    -------
    list of Row
        One row for each repetition, and one of the medians.
    """
    pictures = [sample.path for sample in find_images([eyes])]
    halves = [scratch / "half-1", scratch / "half-2"]
    for number, picture in enumerate(pictures):
        _link(picture, halves[number % 2] / f"{number:06d}{picture.suffix}")
    rows: list[Row] = []
    for _ in range(repeats):
        load = os.getloadavg()[0]
        baseline = baseline_ms(pictures, scratch / "baseline")
        job = job_ms(pictures)
        one = _segmented([eyes], scratch, workers=1)
        two = _segmented([eyes], scratch, workers=2)
        apart = _segmented(halves, scratch, workers=1)
        rates = [len(pictures) / max(run.seconds for run in runs) for runs in (one, two, apart)]
        cpu = [1000 * sum(run.cpu_s for run in runs) / len(pictures) for runs in (one, two, apart)]
        rows.append(
            {
                "n": len(pictures),
                "load before": round(load, 1),
                "1 worker, images per second": round(rates[0], 1),
                "2 workers, images per second": round(rates[1], 1),
                "2 commands, images per second": round(rates[2], 1),
                "2 workers / 1 worker": round(rates[1] / rates[0], 3),
                "2 commands / 1 worker": round(rates[2] / rates[0], 3),
                "2 workers / 2 commands": round(rates[1] / rates[2], 3),
                "1 worker, CPU ms per image": round(cpu[0], 1),
                "2 workers, CPU ms per image": round(cpu[1], 1),
                "2 commands, CPU ms per image": round(cpu[2], 1),
                "baseline, CPU ms per image": round(baseline, 1),
                "segmentation alone, CPU ms per image": round(job, 1),
                "fraction beyond the baseline, %": round(100 * (cpu[0] - baseline) / cpu[0], 1),
                "fraction of the runner, %": round(100 * (cpu[0] - job - baseline) / cpu[0], 1),
            }
        )
    return [*rows, {key: round(median(float(str(row[key])) for row in rows), 3) for key in rows[0]}]


def _segmented(folders: Sequence[Path], scratch: Path, *, workers: int) -> list[Run]:
    """Run `irisstn segment` on each of `folders` at the same time, remove the outputs and wait for the disk."""
    outs = [scratch / f"out-{number}" for number in range(len(folders))]
    with ThreadPoolExecutor(len(folders)) as pool:
        started = [
            pool.submit(run, "segment", folder, "-o", out, "--workers", workers)
            for folder, out in zip(folders, outs, strict=True)
        ]
        finished = [future.result() for future in started]
    for out in outs:
        shutil.rmtree(out)
    os.sync()
    return finished


def _link(target: Path, link: Path) -> None:
    """Make `link`, a symbolic link to `target`, and its folder."""
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target.absolute())


def measure_memory(eyes: Path, scratch: Path, *, sizes: Sequence[int], workers: int) -> list[Row]:
    """Measure the peak memory of runs over different numbers of images.

    Parameters
    ----------
    eyes : Path
        Folder of images, to which links are made.
    scratch : Path
        An empty folder.
    sizes : sequence of int
        Numbers of images.
    workers : int
        Worker processes.

    Returns
    -------
    list of Row
        One row for each size.
    """
    pictures = [sample.path for sample in find_images([eyes])]
    rows: list[Row] = []
    for size in sizes:
        folder, out = scratch / f"links-{size}", scratch / f"memory-{size}"
        for number in range(size):
            link = folder / f"{number // 1000:03d}" / f"{number:06d}{pictures[number % len(pictures)].suffix}"
            _link(pictures[number % len(pictures)], link)
        finished = run("segment", folder, "-o", out, "--workers", workers)
        again = run("segment", folder, "-o", out, "--workers", workers)
        rows.append(
            {
                "images": size,
                "workers": workers,
                "records": len(list(read_manifest(out))),
                "peak, MB": round(finished.peak_mb, 1),
                "peak of a second run, which skips all, MB": round(again.peak_mb, 1),
                "seconds": round(finished.seconds),
                "seconds of the second run": round(again.seconds),
            }
        )
        shutil.rmtree(out)
        shutil.rmtree(folder)
    return rows
