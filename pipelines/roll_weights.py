"""Fit the roll reader of the shipped rectifier on rendered eyes; the weights for the boundaries are not changed.

    python pipelines/roll_weights.py WORK [--eyes 600] [--captures 4] [--weights FILE] [--out FILE]

Renders eyes (all pictures of an eye with one camera; 25 minutes of one core for 2400 pictures), segments them, and fits
the reader to the eyelids that were found. WORK/eyelids.jsonl keeps them: a run that was ended goes on where it was.
Shows how well the standard deviation is calibrated on cameras that were left out of the fit, then writes the weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import cv2
import numpy as np
import torch

from irisstn import IrisError, Rectifier, segment
from irisstn.images import to_gray
from irisstn.rectification import eyelid_parabolas
from irisstn.synthetic import CAMERAS, Identity, render, sample_capture
from irisstn.training import EyelidSamples, error_over_sd, fit_roll_reader, spread_within_eyes
from irisstn.weights import RECTIFIER, SHIPPED

FIRST_SEED, CAPTURE_SEED = 770_000_000, 77
NOT_FITTED = "gaze-640x480"  # a camera with a gaze of 16 degrees (sd) to the side, where eyelids do not show the roll


def rendered_eyelids(work: Path, *, eyes: int, captures: int) -> Iterator[dict[str, object]]:
    """Yield the records of WORK/eyelids.jsonl, and append those that are missing."""
    work.mkdir(parents=True, exist_ok=True)
    file = work / "eyelids.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
    whole = [line for line in lines if line.endswith("\n")]
    file.write_text("".join(whole), encoding="utf-8")
    known = {record["name"]: record for record in map(json.loads, whole)}
    names = list(CAMERAS)
    with file.open("a", encoding="utf-8") as out:
        for eye in range(eyes):
            camera = CAMERAS[names[eye % len(names)]]
            identity: Identity | None = None
            for capture in range(captures):
                name = f"{eye}-{capture}"
                if name not in known:
                    identity = identity or Identity.from_seed(FIRST_SEED + eye)
                    seen = render(identity, sample_capture(np.random.default_rng((CAPTURE_SEED, eye, capture)), camera))
                    try:
                        found = segment(to_gray(seen.image))
                        eyelids = eyelid_parabolas(
                            found.limbus, (found.upper_lid, found.lower_lid), axis_rad=found.opening_axis_rad
                        ).tolist()
                    except IrisError:
                        eyelids = np.zeros((2, 5)).tolist()
                    record = {
                        "name": name,
                        "eye": str(eye),
                        "camera": camera.name,
                        "roll": seen.roll_rad,
                        "eyelids": eyelids,
                    }
                    out.write(json.dumps(record) + "\n")
                    out.flush()
                    known[name] = record
                yield known[name]


@click.command()
@click.argument("work", type=click.Path(path_type=Path))
@click.option("--eyes", default=600, show_default=True)
@click.option("--captures", default=4, show_default=True)
@click.option(
    "--weights", type=click.Path(path_type=Path), default=SHIPPED / RECTIFIER, help="Whose boundaries to keep."
)
@click.option("--out", type=click.Path(path_type=Path), help="Where to write.  [default: over WEIGHTS]")
def main(work: Path, eyes: int, captures: int, weights: Path, out: Path | None) -> None:
    """Fit the roll reader, show its calibration, write the weights."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    records = list(rendered_eyelids(work, eyes=eyes, captures=captures))
    samples = EyelidSamples(
        torch.tensor([record["eyelids"] for record in records]),
        torch.tensor([record["roll"] for record in records]),
        np.array([record["eye"] for record in records]),
    )
    camera = np.array([record["camera"] for record in records])
    click.echo(f"{'camera left out':<24}{'error, degrees':>16}{'error / sd':>12}")
    for name in sorted(set(camera.tolist())):
        rest = fit_roll_reader(samples.where((camera != name) & (camera != NOT_FITTED)))
        own = samples.where(camera == name)
        error = np.rad2deg(spread_within_eyes(rest, own))
        click.echo(f"{name:<24}{error:>16.2f}{error_over_sd(rest, own):>12.2f}")
    reader = fit_roll_reader(samples.where(camera != NOT_FITTED))
    rectifier = Rectifier.load(weights)
    if rectifier.roll_reader is None:
        raise click.UsageError(f"{weights} reads no roll off eyelids")
    rectifier.roll_reader.load_state_dict(reader.state_dict())
    rectifier.save(out or weights)
    for key, value in reader.state_dict().items():
        click.echo(f"{key}: {[round(number, 4) for number in value.tolist()]}")


if __name__ == "__main__":
    main()
