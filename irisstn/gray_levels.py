"""What the numbers of a picture mean as gray levels: arrays of any depth to 8-bit gray."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from irisstn.errors import ImageError
from irisstn.geometry import Gray

_DEPTHS = (8, 10, 12, 14, 16)  # bits of a sensor's gray levels
# Full scales of pictures in floats, and the factor by which values may exceed them: interpolation and gain overshoot
# the scales of processed pictures, and float16 rounds a full scale of 16383 up.
_TOPS = ((1.0, 1.1), (255.0, 1.1), (1023.0, 1.001), (4095.0, 1.001), (16383.0, 1.001), (65535.0, 1.001))
_OUTLIERS = 1e-3  # of the pixels that may lie above the full scale: stuck pixels of a sensor
_STUCK = 1e-2  # that may, where they are far above it, with nothing between: stuck lines
_FAR = 4  # full scales
_FEWEST = 8  # gray levels of a picture in floats: with less, its full scale is another one than was inferred


def to_gray(picture: NDArray[np.generic]) -> Gray:
    """An array of any picture as 8-bit gray.

    Parameters
    ----------
    picture : ndarray, shape (H, W) or (H, W, C)
        (H, W), or (H, W, C) in OpenCV's order: 1 channel, BGR, or BGR and alpha (which is ignored).

    Returns
    -------
    ndarray of uint8, shape (H, W)
        Of a colour picture it is the red channel: melanin absorbs least at long wavelengths, so that a
        dark iris, too, shows its texture there; in a near-infrared picture stored as colour the channels are alike.
        bool becomes 0 and 255, uint8 stays. Wider integers keep the top 8 of the bits in use, which are the least of 8,
        10, 12, 14, 16 (then every number up to 64) that hold all but 1 in 1000 pixels, or all but 1 in 100 where these
        are beyond four times the full scale: stuck pixels and lines of a sensor do not decide, and become white. Signed
        integers have no more bits than their positive half: 7 of int8, 15 of int16. Floats have the least full scale of
        1, 255, 1023, 4095, 16383 and 65535 that holds as many; the first two hold values up to a tenth above them,
        which become white.

    Raises
    ------
    ImageError
        On values that are negative or not finite, and on floats whose full scale cannot be inferred: beyond 65535, or
        so small that fewer than 8 gray levels would remain (a picture of zeros is black).
    ValueError
        On another shape, no numbers, or a masked array with masked pixels.
    """
    if not isinstance(picture, np.ndarray):
        raise ValueError(f"to_gray takes an array, got {type(picture).__name__}: read files with irisstn.read_gray")
    _refuse_masked(picture)
    picture = _red(picture)
    if picture.ndim != 2 or picture.size == 0:
        raise ValueError(
            f"to_gray takes a picture (H, W) or (H, W, 1, 3 or 4), got {picture.shape}; read_gray reads files"
        )
    if picture.dtype == np.uint8:
        return np.ascontiguousarray(picture, np.uint8)
    if picture.dtype == np.bool_:
        return np.asarray(picture, np.uint8) * np.uint8(255)
    if np.issubdtype(picture.dtype, np.integer):
        return _from_integers(picture.astype(picture.dtype.newbyteorder("="), copy=False))
    if np.issubdtype(picture.dtype, np.floating):
        return _from_floats(picture)
    raise ValueError(f"to_gray takes numbers, got {picture.dtype}; read files with irisstn.read_gray")


def to_gray_of_white(picture: NDArray[np.unsignedinteger], white: int) -> Gray:
    """An array of levels whose white is known as 8-bit gray.

    Parameters
    ----------
    picture : ndarray of uint8 or uint16, shape (H, W) or (H, W, C)
        As for `to_gray`.
    white : int
        The level of white, 1..65535; levels beyond it are white.

    Returns
    -------
    ndarray of uint8, shape (H, W)
        The levels times 255 / `white`, rounded.
    """
    levels = np.rint(np.arange(np.iinfo(str(picture.dtype)).max + 1) * (255 / white))
    return np.asarray(np.asarray(np.minimum(levels, 255), np.uint8)[_red(picture)])


def require_gray(image: object) -> None:
    """Refuse what is no 8-bit gray picture.

    Parameters
    ----------
    image : object
        What was given as a picture.

    Raises
    ------
    ValueError
        Where it is no array (H, W) of uint8, the message says how to make one; or a masked array with masked pixels.
    """
    if not isinstance(image, np.ndarray):
        hint = "irisstn.read_gray reads a file, irisstn.to_gray takes other arrays"
        if image is None:
            hint = f"cv2.imread gives None where it cannot read a file; {hint}"
        raise ValueError(f"the picture must be an array (H, W) of uint8, got {type(image).__name__}: {hint}")
    _refuse_masked(image)
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(
            f"the picture must be (H, W) of uint8, got {image.shape} of {image.dtype}: "
            "irisstn.to_gray makes it so, irisstn.read_gray reads a file so"
        )


def _refuse_masked(picture: NDArray[np.generic]) -> None:
    """Raise ValueError for a masked array with masked pixels: what lies under them would be read as gray levels."""
    if np.ma.is_masked(picture):
        raise ValueError(
            "the picture is a masked array, whose mask would be ignored: fill what it hides, as with picture.filled(0)"
        )


def white_is_zero_to_gray(picture: NDArray[np.generic]) -> Gray:
    """An array in which low values are light as 8-bit gray, in which they are dark.

    Parameters
    ----------
    picture : ndarray, shape (H, W) or (H, W, C)
        As for `to_gray`. Black is the full scale of the bits in use, or of the floats.

    Returns
    -------
    ndarray of uint8, shape (H, W)
        The picture as it looks.

    Raises
    ------
    ImageError, ValueError
        As `to_gray` does.

    Examples
    --------
    >>> white_is_zero_to_gray(np.array([[0, 0xFFFF, 0xC000]], np.uint16))
    array([[255,   0,  63]], dtype=uint8)
    """
    if not np.issubdtype(picture.dtype, np.integer):
        return np.asarray(255 - to_gray(picture), np.uint8)
    if picture.min() < 0:
        raise ImageError("the picture holds negative values")
    black = picture.dtype.type(min((1 << _bits_in_use(picture)) - 1, np.iinfo(str(picture.dtype)).max))
    return to_gray(black - np.minimum(picture, black))


def _red(picture: NDArray[np.generic]) -> NDArray[np.generic]:
    """The red channel of BGR or BGRA, or the only channel."""
    if picture.ndim == 3 and picture.shape[2] in (1, 3, 4):
        return picture[..., 2 if picture.shape[2] > 1 else 0]
    return picture


def _from_integers(picture: NDArray[np.integer]) -> Gray:
    if picture.min() < 0:
        raise ImageError("the picture holds negative values")
    bits = _bits_in_use(picture)
    if bits < 8:
        return np.asarray(np.rint(picture * (255 / ((1 << bits) - 1))), np.uint8)
    if int(picture.max()) >> bits:
        picture = np.minimum(picture, picture.dtype.type((1 << bits) - 1))
    return np.asarray(picture >> (bits - 8), np.uint8)


def _bits_in_use(picture: NDArray[np.generic]) -> int:
    """The least depth of a sensor that holds the pixels."""
    widest = 8 * picture.dtype.itemsize - (picture.dtype.kind == "i")
    depths = (bits for bits in (*_DEPTHS, *range(17, widest)) if bits < widest)
    return next((bits for bits in depths if _holds((1 << bits) - 1, picture)), widest)


def _from_floats(picture: NDArray[np.generic]) -> Gray:
    values = np.asarray(picture, np.float32)
    if not np.isfinite(values).all() or values.min() < 0:
        raise ImageError("the picture holds values that are negative or not finite")
    top = next((top for top, beyond in _TOPS if _holds(beyond * top, values)), None)
    if top is None or 0 < values.max() * 255 < _FEWEST * top:
        raise ImageError(
            f"the picture holds floats up to {values.max():g}, of no known full scale: divide them by it, into 0..1"
        )
    return np.asarray(np.rint(np.clip(values / top, 0, 1) * 255), np.uint8)


def _holds(scale: float, values: NDArray[np.generic]) -> bool:
    """Whether `scale` may be the full scale of `values`; of fewer than 1000 none may exceed it."""
    above = values[np.greater(values, scale)]
    if above.size <= int(_OUTLIERS * values.size):
        return True
    return above.size <= int(_STUCK * values.size) and bool(np.greater_equal(above.min(), _FAR * scale))
