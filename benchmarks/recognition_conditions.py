"""Test conditions of the benchmark of recognition: strips of the same eyes with known errors.

as segmented    no errors are added
centres         centres of pupil and limbus wrong by up to ±4 % of the iris radius in x and y, independently
radii           their radii wrong by up to ±4 % of the iris radius
roll            rotated by up to ±15 degrees
dilation        texture stretched from the pupil to the limbus, r + d r (1 - r), |d| up to 0.3
all             all of these
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import click
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from irisstn import Rectifier, Strip, batch_of_strips
from irisstn.training.data.batches import Eyes
from irisstn.training.data.boundary_errors import NO_ERRORS, Perturbation
from irisstn.training.data.eye_crops import EyeCrop
from irisstn.training.data.strip_tensors import to_strips

CONDITIONS = ("as segmented", "centres", "radii", "roll", "dilation", "all")
SIZE = (32, 256)
MAX_ERROR, MAX_ROLL_RAD, MAX_DILATION = 0.04, np.deg2rad(15.0), 0.3  # the error in iris radii


@dataclass(frozen=True)
class ConditionStrips:
    """Strips of one condition.

    Attributes
    ----------
    strips : list of Strip, length N
        Strips with the errors of the condition.
    contexts : NDArray[numpy.float32], shape (N, 5, 64, 256)
        Their contexts.
    eyelids : NDArray[numpy.float32], shape (N, 2, 5)
        The eyelids of the contexts.
    errors_removed : list of Strip, length N
        The same strips without these errors.
    """

    strips: list[Strip]
    contexts: NDArray[np.float32]
    eyelids: NDArray[np.float32]
    errors_removed: list[Strip]


def condition_strips(eyes: Eyes, condition: str) -> ConditionStrips:
    """Sample one strip of each eye, with one random draw of errors.

    Parameters
    ----------
    eyes : Eyes
        Eyes with their images.
    condition : str
        One of `CONDITIONS`.

    Returns
    -------
    ConditionStrips
        The strips in the order of `eyes`.

    Raises
    ------
    click.UsageError
        Where eyes are strips without an image.
    """
    strips, contexts, eyelids, errors_removed = [], [], [], []
    for number, eye in enumerate(eyes.eyes):
        if not isinstance(eye, EyeCrop):
            raise click.UsageError("images are needed, not strips")
        rng = np.random.default_rng((number, CONDITIONS.index(condition)))
        errors = Perturbation(
            roll_rad=MAX_ROLL_RAD * rng.uniform(-1, 1) * (condition in ("roll", "all")),
            shift=MAX_ERROR * rng.uniform(-1, 1, (2, 2)) * (condition in ("centres", "all")),
            scale=MAX_ERROR * rng.uniform(-1, 1, 2) * (condition in ("radii", "all")),
            shape=np.zeros((2, 2)),
        )
        dilation = MAX_DILATION * rng.uniform(-1, 1) * (condition in ("dilation", "all"))
        sample = (dilated(eye, dilation) if dilation else eye).sample(errors, SIZE)
        strips.append(sample.strip)
        contexts.append(sample.context.planes())
        eyelids.append(sample.context.eyelids)
        errors_removed.append(eye.strip(NO_ERRORS, SIZE))
    return ConditionStrips(strips, np.stack(contexts), np.stack(eyelids), errors_removed)


def dilated(eye: EyeCrop, amount: float) -> EyeCrop:
    """Stretch the texture of the iris between pupil and limbus.

    Parameters
    ----------
    eye : EyeCrop
        The eye.
    amount : float
        d: the texture at the radius r + d r (1 - r) of the ring moves to r.

    Returns
    -------
    EyeCrop
        The same eye with another image.
    """
    pupil, limbus = eye.used
    y, x = np.mgrid[: eye.image.shape[0], : eye.image.shape[1]].astype(float)
    angle, distance = np.arctan2(y - pupil.y, x - pupil.x), np.hypot(y - pupil.y, x - pupil.x)
    inner = pupil.radius(angle)
    # Distance from the pupil's centre to the limbus, taken as a circle, in the direction of each pixel.
    along = np.cos(angle) * (limbus.x - pupil.x) + np.sin(angle) * (limbus.y - pupil.y)
    squared = (limbus.x - pupil.x) ** 2 + (limbus.y - pupil.y) ** 2
    outer = along + np.sqrt(np.maximum(along**2 - squared + limbus.mean_radius**2, 0))
    radius = np.clip((distance - inner) / np.maximum(outer - inner, 1), 0, 1)
    moved = amount * radius * (1 - radius) * (outer - inner)
    source = (x + moved * np.cos(angle)).astype(np.float32), (y + moved * np.sin(angle)).astype(np.float32)
    image = cv2.remap(eye.image, *source, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return replace(eye, image=image.astype(np.uint8, copy=False))


@torch.no_grad()
def rectified_strips(rectifier: Rectifier | None, test: ConditionStrips) -> list[Strip]:
    """Rectify the strips of a condition.

    Parameters
    ----------
    rectifier : Rectifier or None
        The STN. None: the strips are returned unchanged.
    test : ConditionStrips
        The strips.

    Returns
    -------
    list of Strip
        The rectified strips, in the same order.
    """
    if rectifier is None:
        return test.strips
    images, usable = batch_of_strips(test.strips)
    contexts, eyelids = torch.from_numpy(test.contexts), torch.from_numpy(test.eyelids)
    strips: list[Strip] = []
    for i in range(0, len(images), 64):
        part = slice(i, i + 64)
        warped = rectifier.warp(images[part], usable[part], contexts[part], eyelids=eyelids[part])
        strips += to_strips(warped.image, usable[i : i + 64] if warped.usable is None else warped.usable)
    return strips
