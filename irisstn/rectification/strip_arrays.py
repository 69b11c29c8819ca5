"""Strips from arrays or tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from irisstn.results import Strip, require_strips

if TYPE_CHECKING:
    from torch import Tensor


def strips_of(strips: NDArray[np.generic] | Tensor, usable: NDArray[np.bool_] | Tensor | None) -> Strip | list[Strip]:
    """Convert an array or tensor to strips.

    Parameters
    ----------
    strips : ndarray or Tensor, shape (R, T), (B, R, T) or (B, 1, R, T)
        Gray levels, of uint8 or of floats in 0..1.
    usable : ndarray or Tensor, optional
        Mask of the same shape, of bool or above 0.5 where usable; None: all is usable.

    Returns
    -------
    Strip or list of Strip
        A list of B strips for three or four dimensions, empty for B = 0.

    Raises
    ------
    ValueError
        For other shapes, types or values.
    """
    if not hasattr(strips, "shape"):  # neither an array nor a tensor
        require_strips(strips)
        raise ValueError(f"give strips as a list, got {type(strips).__name__}")
    gray, mask = (_array(x) for x in (strips, usable))
    if gray is None or gray.ndim not in (2, 3, 4) or (gray.ndim == 4 and gray.shape[1] != 1):
        raise ValueError(f"strips must be (R, T), (B, R, T) or (B, 1, R, T), got {strips.shape}")
    if 0 in gray.shape[-2:]:
        raise ValueError(f"a strip needs at least one row and one column, got {gray.shape}")
    if mask is not None and mask.shape != gray.shape:
        raise ValueError(f"the mask must be {gray.shape} like the strips, got {mask.shape}")
    if gray.dtype != np.uint8:
        if not np.issubdtype(gray.dtype, np.floating) or (gray.size and not (gray.min() >= 0 and gray.max() <= 1)):
            values = f" of {gray.min():g}..{gray.max():g}" if gray.size else ""
            raise ValueError(
                f"strips must be uint8 or floats in 0..1, got {gray.dtype}{values}: divide gray levels of 0..255 by 255"
            )
        gray = np.rint(gray * 255)
    kept = np.ones(gray.shape, bool) if mask is None else np.asarray(mask, np.float32) > 0.5
    if gray.ndim == 2:
        return Strip(gray.astype(np.uint8), kept)
    size = gray.shape[-2:]
    images, masks = (plane.reshape(len(gray), *size) for plane in (gray.astype(np.uint8), kept))
    return [Strip(image, mask) for image, mask in zip(images, masks, strict=True)]


def _array(given: NDArray[np.generic] | Tensor | None) -> NDArray[np.generic] | None:
    """A tensor as an array; torch is not imported for it."""
    return given if given is None or isinstance(given, np.ndarray) else given.detach().cpu().numpy()
