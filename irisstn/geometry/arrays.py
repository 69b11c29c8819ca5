"""Types of the arrays that pass between the stages, the full turn in radians, and the median of an array."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating]
Float32 = NDArray[np.float32]
Gray = NDArray[np.uint8]
Bool = NDArray[np.bool_]

TAU = 2.0 * np.pi


def median(values: NDArray[Any]) -> float:
    """The median of all numbers of an array, equal to that of `numpy.median`, which takes three times as long.

    Parameters
    ----------
    values : ndarray
        One number at least, of uint8 or floats, none of them NaN.

    Returns
    -------
    float
        The middle one, or the mean of the two middle ones in the dtype of floats.

    Examples
    --------
    >>> median(np.array([[3, 1], [2, 9]], np.uint8))
    2.5
    """
    flat = values.ravel()
    low, high = (flat.size - 1) // 2, flat.size // 2
    ordered = np.partition(flat, (low, high) if low < high else low)
    middle = (ordered[low], ordered[high])
    if values.dtype == np.float32:
        return float((middle[0] + middle[1]) / np.float32(2))
    return (float(middle[0]) + float(middle[1])) / 2
