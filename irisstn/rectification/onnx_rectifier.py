"""The rectifier in ONNX Runtime, for programs without torch.

    rectifier = irisstn.OnnxRectifier.load()
    rectified = rectifier.rectify_eye(image, segmentation)

The file that `irisstn export` writes estimates the transform; strips are sampled by numpy and OpenCV.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from irisstn.errors import WeightsError, one_line
from irisstn.geometry import Bool, Float, Gray
from irisstn.geometry.ring_transform import (
    NAMES,
    NEAR_ONE,
    amplitudes,
    compose_rings,
    ring_identity,
    ring_limits,
    ring_parameters_by_name,
)
from irisstn.normalization import sample_moved_ring
from irisstn.onnx_files import OnnxNetwork
from irisstn.rectification.alignment import NEAR_BOUND, best_roll
from irisstn.rectification.rectified import Rectified, RingGrid
from irisstn.rectification.rectifier_config import RECTIFIER_KIND, RectifierConfig
from irisstn.rectification.rectifier_methods import RectifierMethods
from irisstn.rectification.ring_context import Context, pupil_share
from irisstn.rectification.roll_setting import RollSetting, corrected_roll
from irisstn.rectification.variants import RING_JITTER, variant_noise
from irisstn.results import Segmentation, Strip
from irisstn.weights import ONNX_RECTIFIER

_OUTPUTS = ("parameters", "roll_read_rad", "roll_sd_rad")


class RingEstimate(NamedTuple):
    """What was estimated for one strip.

    Attributes
    ----------
    parameters : ndarray, shape (1, 12)
        Parameters of the ring, in the order of `irisstn.geometry.ring_transform.NAMES`.
    details : dict of str to float
        Further figures that `Rectified.parameters` holds besides the transform's own.
    """

    parameters: Float
    details: dict[str, float]


class OnnxRectifier(RectifierMethods[RingEstimate]):
    """A rectifier without torch, with the methods of `irisstn.Rectifier` for strips and photographs.

    Needs `pip install "irisstn[onnx]"`. Several threads may use it at once. Its strips differ from those of
    `irisstn.Rectifier` with the same weights by at most a gray level on 99.9 % of the pixels.

    Parameters
    ----------
    network : OnnxNetwork
        The file; `OnnxRectifier.load` opens one.

    Attributes
    ----------
    config : RectifierConfig
        Shape and bounds.
    roll : RollSetting
        How much of the roll is corrected; at first as it was exported.

    Raises
    ------
    WeightsError
        Where the file's configuration is damaged, its transform is not a ring, or it was trained with `antialias`.
    """

    def __init__(self, network: OnnxNetwork) -> None:
        self.network = network
        about = network.about
        try:
            self.config = RectifierConfig.model_validate_json(about.get("config", ""))
            roll = {"mode": about.get("roll", "auto"), "prior_deg": about.get("roll_prior_deg", "nan")}
            self.roll = self._exported_roll = TypeAdapter(RollSetting).validate_python(roll)
            self._between_rad = float(about["roll_between_rad"]) if "roll_between_rad" in about else None
        except (ValidationError, ValueError) as error:
            raise WeightsError(f"{network.path} is damaged: {one_line(error, 200)}") from None
        if self.config.transform != "ring" or self.config.antialias:
            raise WeightsError(f"{network.path} cannot be run without torch: only a ring without antialias can")
        if "eyelids" in network.shapes and self._between_rad is None:
            raise WeightsError(f"{network.path} was written by an earlier version: write it again with irisstn export")
        self._limits = np.array(
            ring_limits(
                max_roll_rad=float(np.deg2rad(self.config.max_roll_deg)),
                max_shift=self.config.max_shift,
                max_oval=self.config.max_oval,
            )
        )

    @classmethod
    def load(cls, path: str | Path | None = None, *, threads: int | None = None) -> Self:
        """Load a rectifier that `irisstn export` has written. Safe on files of unknown origin.

        Parameters
        ----------
        path : str or Path, optional
            The file, or a folder with a rectifier.onnx; None for the one that irisstn ships.
        threads : int, optional
            Threads of one run; None for one on each core.

        Returns
        -------
        OnnxRectifier
            The rectifier.

        Raises
        ------
        MissingExtraError
            Where ONNX Runtime is not installed.
        WeightsError
            Where the file is missing, damaged or of another kind.
        """
        return cls(OnnxNetwork.load(path, ONNX_RECTIFIER, RECTIFIER_KIND, threads=threads, outputs=_OUTPUTS))

    @property
    def weights_sha256(self) -> str:
        """`Rectifier.weights_sha256` of the rectifier that was exported."""
        return self.network.about.get("weights_sha256", "")

    def _estimate(self, context: Context, segmentation: Segmentation | None) -> RingEstimate:
        shapes = self.network.shapes
        # The transform depends on the context alone; the strip of the file's other output is not used.
        inputs: dict[str, NDArray[np.generic]] = {
            name: np.zeros((1, *shapes[name]), np.float32) for name in ("strip", "usable")
        }
        inputs["context"] = context.planes()[None]
        known = bool(context.eyelids.any()) and "eyelids" in shapes
        if known:
            inputs["eyelids"] = context.eyelids[None]
        if segmentation is not None:
            inputs["pupil_share"] = np.array([pupil_share(segmentation)])
        parameters, read, sd = (np.asarray(found, np.float64) for found in self.network.run(_OUTPUTS, inputs))
        if not np.isfinite(parameters).all():
            raise WeightsError(f"{self.network.path} estimates a transform that is not finite")
        if not known:
            return RingEstimate(parameters, {})
        if self.roll != self._exported_roll:
            parameters[:, 0] = self._with_other_roll(parameters[:, 0], read, sd)
        return RingEstimate(parameters, {"roll_read_rad": float(read[0]), "roll_sd_rad": float(sd[0])})

    def _with_other_roll(self, roll: Float, read: Float, sd: Float) -> Float:
        """The roll (1,) with the correction of this setting in place of the exported one; see `Ring.turned`."""
        limit = self._limits[0]
        corrections = [
            corrected_roll(np, read, sd, np.array([self._between_rad]), setting)
            for setting in (self._exported_roll, self.roll)
        ]
        old, new, whole = (np.arctanh(np.clip(angle / limit, -NEAR_ONE, NEAR_ONE)) for angle in (*corrections, roll))
        return np.asarray(limit * np.tanh(whole - old + new))

    def _limited(self, parameters: Float) -> Float:
        """Parameters (B, 12) within their bounds."""
        offset = parameters - ring_identity()
        amplitude = amplitudes(np, offset) / self._limits
        limited = ring_identity() + offset * (np.minimum(amplitude, NEAR_ONE) / amplitude)
        if self.config.full_circle:
            limited[:, 0] = parameters[:, 0]
        return np.asarray(limited)

    def _varied(self, estimate: RingEstimate, k: int, seed: int) -> list[RingEstimate]:
        spread = RING_JITTER * self._limits
        spread[NAMES.index("pupil_share")] = 0  # it is known, not estimated
        moved = estimate.parameters + variant_noise(k, len(NAMES), seed) * spread
        return [estimate._replace(parameters=one[None]) for one in self._limited(moved)]

    def _aligned(self, estimate: RingEstimate, rectified: Strip, reference: Strip) -> RingEstimate:
        added, at_limit = best_roll(rectified, reference, max_roll_deg=self.config.max_roll_deg)
        step = np.array([ring_identity()])
        step[0, 0] = added
        parameters = self._limited(compose_rings(np, estimate.parameters, self._limited(step)))
        if not self.config.full_circle:
            at_limit |= bool(abs(parameters[0, 0]) >= NEAR_BOUND * self._limits[0])
        return RingEstimate(parameters, estimate.details | {"roll_at_limit": float(at_limit)})

    def _sampled_from_strip(self, strip: Strip, estimate: RingEstimate, size: tuple[int, int]) -> Rectified:
        grid = RingGrid(estimate.parameters[0], size)
        x, y = grid.points[..., 0], grid.points[..., 1]
        gray, usable = _sample_strip(strip, x, y)
        outside = float((np.abs(y) > 1).mean())
        return Rectified(Strip(gray, usable), _named(estimate), outside, grid)

    def _sampled_from_eye(
        self, image: Gray, segmentation: Segmentation, estimate: RingEstimate, size: tuple[int, int]
    ) -> Rectified:
        parameters = estimate.parameters[0]
        strip, outside = sample_moved_ring(image, segmentation, parameters, size)
        return Rectified(strip, _named(estimate), outside, RingGrid(parameters, size))


def _named(estimate: RingEstimate) -> dict[str, float]:
    """The parameters by name, and the details."""
    return ring_parameters_by_name(estimate.parameters[0]) | estimate.details


def _sample_strip(strip: Strip, x: Float, y: Float) -> tuple[Gray, Bool]:
    """Gray levels and mask of a strip at grid positions; bilinear, wrapped around the columns.

    Beyond the first and the last row, gray levels are continued and cells are not usable.
    """
    rows, columns = strip.size
    places = np.remainder(x + 1, 2) / 2 * columns + 0.5, ((y + 1) * rows - 1) / 2
    across, down = (place.astype(np.float32) for place in places)
    # The last column is repeated before the first, and the first after the last.
    image, usable = (
        cv2.copyMakeBorder(plane.astype(np.float32), 0, 0, 1, 1, cv2.BORDER_WRAP)
        for plane in (strip.image, strip.usable)
    )
    gray = cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.remap(usable, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.rint(gray).astype(np.uint8), np.asarray(mask > 0.5)
