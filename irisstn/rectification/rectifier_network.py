"""The rectifier as a network: tensors of strips in, rectified tensors out, differentiable."""

from __future__ import annotations

import torch
from torch import Tensor

from irisstn.rectification.context_tensors import context_planes, moved_context
from irisstn.rectification.eye_batch import EyeBatch
from irisstn.rectification.localization import CircularLocalization
from irisstn.rectification.rectifier_config import RECTIFIER_KIND, RectifierConfig
from irisstn.rectification.ring_context import CONTEXT_SIZE, NO_EYELIDS, PLANES
from irisstn.rectification.roll import RollReader
from irisstn.rectification.roll_setting import RollSetting
from irisstn.stn import Ring, SpatialTransformer, Transform, Warped, compose_iterations, require_finite
from irisstn.stn.batch_parts import batch_parts
from irisstn.weights import RECTIFIER
from irisstn.weights_file import StoredModule

_Inputs = tuple[Tensor, Tensor | None, Tensor | None, Tensor | None, Tensor | None]  # those of `forward`, in order

_LARGEST_GRAY = 10.0  # larger values must be gray levels of 0..255; standardised ones stay below it


class RectifierNetwork(StoredModule):
    """The localization network, the roll reader and the spatial transformer of a rectifier.

    Users take `irisstn.Rectifier`, which adds the methods for strips and photographs.

    Parameters
    ----------
    config : RectifierConfig
        Shape and bounds.
    """

    KIND, FILE, CONFIG = RECTIFIER_KIND, RECTIFIER, RectifierConfig
    config: RectifierConfig

    def __init__(self, config: RectifierConfig = RectifierConfig()) -> None:
        super().__init__(config)
        transform = config.build_transform()
        by_eyelids = isinstance(transform, Ring) and config.position and not config.full_circle
        localization = CircularLocalization(
            transform,
            CONTEXT_SIZE[0],
            channels=len(PLANES),
            width=config.width,
            position=config.position,
            roll=not by_eyelids,
        )
        self.stn = SpatialTransformer(localization, transform, wrap=True, padding="border", antialias=config.antialias)
        self.roll_reader = RollReader() if by_eyelids else None
        self.roll = RollSetting()

    @property
    def transform(self) -> Transform:
        """Transform of the spatial transformer, for its `names` and `parameters_by_name`."""
        return self.stn.transform

    def forward(
        self,
        images: Tensor | EyeBatch,
        usable: Tensor | None = None,
        context: Tensor | None = None,
        size: tuple[int, int] | None = None,
        eyelids: Tensor | None = None,
        *,
        pupil_share: Tensor | None = None,
    ) -> Tensor:
        """Rectify strips; an empty batch gives an empty batch.

        Parameters
        ----------
        images : Tensor, shape (B, 1, R, T), or EyeBatch
            Strips of floats, gray levels in 0..1; or what `irisstn.batch_of_eyes` returns, which holds all but `size`.
        usable : Tensor, shape (B, 1, R, T), optional
            1 on usable cells, 0 elsewhere; None: all are usable.
        context : Tensor, shape (B, 5, 64, 256), optional
            Planes of `irisstn.rectification.ring_context`; None computes them from the strips.
        size : tuple of int, optional
            (R', T') of the result; None for that of `images`.
        eyelids : Tensor, shape (B, 2, 5), optional
            Eyelids as in `Context.eyelids`. The roll is not corrected where they are None or zeros.
        pupil_share : Tensor, shape (B,), optional
            Radius of the pupil as a fraction of that of the limbus; estimated where it is None or 0.

        Returns
        -------
        Tensor, shape (B, 1, R', T')
            Rectified strips.

        Raises
        ------
        ValueError
            For other shapes, integers, gray levels of 0..255, and where weights or strips contain NaN.
        """
        inputs = _checked(images, usable, context, eyelids, pupil_share)
        return _joined([self._warped(part, size).image for part in batch_parts(*inputs)])

    def warp(
        self,
        images: Tensor | EyeBatch,
        usable: Tensor | None = None,
        context: Tensor | None = None,
        size: tuple[int, int] | None = None,
        eyelids: Tensor | None = None,
        *,
        pupil_share: Tensor | None = None,
    ) -> Warped:
        """Like `forward`, but returns the mask (None without `usable`), theta and the grid, too."""
        inputs = _checked(images, usable, context, eyelids, pupil_share)
        parts = [self._warped(part, size) for part in batch_parts(*inputs)]
        masks = [part.usable for part in parts if part.usable is not None]
        image, theta, grid = (_joined([getattr(part, name) for part in parts]) for name in ("image", "theta", "grid"))
        return Warped(image, _joined(masks) if masks else None, theta, grid)

    def _warped(self, inputs: _Inputs, size: tuple[int, int] | None) -> Warped:
        """`warp` of a batch, or of a part of it."""
        images, usable, context, eyelids, pupil_share = inputs
        planes = context_planes(images, usable) if context is None else context
        theta = self.theta_of_context(planes, eyelids, pupil_share)
        return self.stn.warp(images, theta, usable, size)

    def theta_of_context(
        self,
        context: Tensor,
        eyelids: Tensor | None = None,
        pupil_share: Tensor | None = None,
    ) -> Tensor:
        """Estimate theta.

        Parameters
        ----------
        context : Tensor, shape (B, 5, 64, 256)
            Planes of `irisstn.rectification.ring_context`.
        eyelids : Tensor, shape (B, 2, 5), optional
            Eyelids as in `Context.eyelids`.
        pupil_share : Tensor, shape (B,), optional
            As in `forward`. It has no effect on transforms other than the ring.

        Returns
        -------
        Tensor, shape (B, n)
            Theta, with the roll to be corrected where `eyelids` are given.

        Raises
        ------
        ValueError
            For other shapes, and where theta is not finite.
        """
        theta = compose_iterations(
            self.stn.localization,
            lambda whole, theta: moved_context(whole, theta, self.transform),
            self.transform,
            context,
            self.config.iterations,
        )
        if not isinstance(self.transform, Ring):
            return theta
        if pupil_share is not None:
            if pupil_share.shape != (context.shape[0],):
                raise ValueError(f"pupil shares must be (B,) beside the context, got {tuple(pupil_share.shape)}")
            theta = torch.where((pupil_share > 0)[:, None], self.transform.with_pupil_share(theta, pupil_share), theta)
        if self.roll_reader is None or eyelids is None:
            return theta
        if eyelids.shape != (context.shape[0], *NO_EYELIDS.shape):
            raise ValueError(f"eyelids must be (B, 2, 5) beside the context, got {tuple(eyelids.shape)}")
        theta = self.transform.turned(theta, self.roll_reader.correction(eyelids, self.roll))
        require_finite(theta)
        return theta


def _checked(
    images: Tensor | EyeBatch,
    usable: Tensor | None,
    context: Tensor | None,
    eyelids: Tensor | None,
    pupil_share: Tensor | None,
) -> _Inputs:
    """The inputs of `RectifierNetwork.forward`; raises ValueError where the strips or their masks do not fit."""
    if isinstance(images, EyeBatch):
        if any(given is not None for given in (usable, context, eyelids, pupil_share)):
            raise ValueError("an EyeBatch holds masks, contexts, eyelids and pupil shares: give it alone")
        images, usable, context, eyelids, pupil_share = images
    if images.ndim != 4 or images.shape[1] != 1:
        raise ValueError(f"strips must be (B, 1, R, T), got {tuple(images.shape)}")
    _require_unit_grays(images)
    if usable is not None and usable.shape != images.shape:
        raise ValueError(f"the mask must be {tuple(images.shape)} like the strips, got {tuple(usable.shape)}")
    return images, usable, context, eyelids, pupil_share


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _require_unit_grays(images: Tensor) -> None:
    """Raise ValueError for gray levels of 0..255. Values are not checked in compiled and exported graphs."""
    if not images.is_floating_point():
        raise ValueError(
            f"strips must be floats in 0..1, got {images.dtype}: divide by 255, as in images.float() / 255"
        )
    if not torch.compiler.is_compiling() and images.numel() and bool((images > _LARGEST_GRAY).any()):
        raise ValueError("strips must be floats in 0..1, got values of up to 255: divide by 255, as in images / 255")
