"""What the folder runner costs: pictures a second, CPU time beyond the floor, memory."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from batch_runs import Row, run

from irisstn.batch import SegmentConfig, SegmentJob
from irisstn.batch.jobs.job import JobInput
from irisstn.datasets import find_images
from irisstn.images import encode_png, read_gray
from irisstn.outputs.manifest import read_manifest


def floor_ms(pictures: Sequence[Path], scratch: Path) -> float:
    """CPU milliseconds a picture for reading, decoding, one remap to a strip, and encoding and writing four files."""
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
    """CPU milliseconds a picture for `segment`'s per-picture function alone: no runner, nothing read or written."""
    with SegmentJob(SegmentConfig()).start() as process:
        inputs = [JobInput(path.name, path.read_bytes()) for path in pictures]
        started = time.process_time()
        for source in inputs:
            try:
                process(source)
            except Exception:  # a closed eye takes its time, too
                continue
        return 1000 * (time.process_time() - started) / len(pictures)


def measure_speed(eyes: Path, scratch: Path, *, repeats: int) -> list[Row]:
    """One row for each repeat."""
    pictures = [sample.path for sample in find_images([eyes])]
    rows: list[Row] = []
    for repeat in range(repeats):
        load = os.getloadavg()[0]
        floor = floor_ms(pictures, scratch / "floor")
        job = job_ms(pictures)
        rates, cpu = {}, {}
        for workers in (1, 2):
            out = scratch / f"speed-{repeat}-{workers}"
            found = run("segment", eyes, "-o", out, "--workers", workers)
            rates[workers] = float(str(found.summary["rate"]))
            cpu[workers] = 1000 * found.cpu_s / len(pictures)
            shutil.rmtree(out)
        rows.append(
            {
                "n": len(pictures),
                "load before": round(load, 1),
                "1 worker, /s": round(rates[1], 1),
                "2 workers, /s": round(rates[2], 1),
                "ratio": round(rates[2] / rates[1], 2),
                "CPU ms a picture, 1 worker": round(cpu[1], 1),
                "CPU ms a picture, 2 workers": round(cpu[2], 1),
                "floor, CPU ms": round(floor, 1),
                "segment alone, CPU ms": round(job, 1),
                "ours over the floor, %": round(100 * (cpu[1] - floor) / cpu[1], 1),
                "of it the runner's, %": round(100 * (cpu[1] - job - floor) / cpu[1], 1),
            }
        )
    return rows


def measure_memory(eyes: Path, scratch: Path, *, sizes: Sequence[int], workers: int) -> list[Row]:
    """Peaks of runs over so many pictures as `sizes` say."""
    pictures = [sample.path for sample in find_images([eyes])]
    rows: list[Row] = []
    for size in sizes:
        folder, out = scratch / f"links-{size}", scratch / f"memory-{size}"
        for number in range(size):
            link = folder / f"{number // 1000:03d}" / f"{number:06d}{pictures[number % len(pictures)].suffix}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(pictures[number % len(pictures)])
        found = run("segment", folder, "-o", out, "--workers", workers)
        again = run("segment", folder, "-o", out, "--workers", workers)
        rows.append(
            {
                "pictures": size,
                "workers": workers,
                "records": len(list(read_manifest(out))),
                "peak, MB": round(found.peak_mb, 1),
                "peak of a second run, which skips, MB": round(again.peak_mb, 1),
                "seconds": round(found.seconds),
                "seconds of the second run": round(again.seconds),
            }
        )
        shutil.rmtree(out)
        shutil.rmtree(folder)
    return rows
