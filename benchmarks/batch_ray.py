"""The folder runner on Ray against itself on one machine."""

from __future__ import annotations

from pathlib import Path

from batch_runs import Row, differences, output_files, run


def compare_ray(eyes: Path, scratch: Path, *, workers: int) -> Row:
    """The same folder by both engines."""
    local, far = scratch / "local", scratch / "ray"
    one = run("segment", eyes, "-o", local, "--workers", workers)
    two = run("segment", eyes, "-o", far, "--workers", workers, "--engine", "ray")
    return {
        "inputs": two.summary["total"],
        "done": two.summary["done"],
        "files compared": len(output_files(local)),
        "files that differ": len(differences(far, local)),
        "local, s": round(one.seconds, 1),
        "ray, s": round(two.seconds, 1),
    }
