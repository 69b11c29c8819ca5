"""Output of the folder runner on Ray compared with that of its local engine."""

from __future__ import annotations

from pathlib import Path

from batch_runs import Row, differences, output_files, run


def compare_ray(eyes: Path, scratch: Path, *, workers: int) -> Row:
    """Segment a folder with both engines.

    Parameters
    ----------
    eyes : Path
        Folder of images.
    scratch : Path
        An empty folder.
    workers : int
        Worker processes.

    Returns
    -------
    Row
        Numbers of files that differ, and times.
    """
    local_out, ray_out = scratch / "local", scratch / "ray"
    local = run("segment", eyes, "-o", local_out, "--workers", workers)
    ray = run("segment", eyes, "-o", ray_out, "--workers", workers, "--engine", "ray")
    return {
        "inputs": ray.summary["total"],
        "done": ray.summary["done"],
        "files compared": len(output_files(local_out)),
        "files that differ": len(differences(ray_out, local_out)),
        "local, s": round(local.seconds, 1),
        "ray, s": round(ray.seconds, 1),
    }
