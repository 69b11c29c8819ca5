"""Interpolation along the radius: positions in a ring are computed at a few radii, and between them by a polynomial."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from irisstn.geometry.arrays import Float
from irisstn.geometry.ring import strip_radii

NODES = 9  # radii at which the positions of a moved ring are computed


@lru_cache(maxsize=16)
def radial_interpolation(rows: int) -> tuple[Float, Float]:
    """Chebyshev nodes of the second kind for a strip, and the polynomial through values at them.

    Parameters
    ----------
    rows : int
        R, the number of rows of the strip.

    Returns
    -------
    nodes : ndarray, shape (`NODES` + 1,)
        Radii from the first to the last row. One more lies between the first two of them, where errors are largest.
    matrix : ndarray, shape (R + 1, `NODES`)
        From the values at the nodes to those of the rows and of the last radius of `nodes`.

    References
    ----------
    Berrut and Trefethen 2004, "Barycentric Lagrange interpolation", eq. 4.2 and 5.4.
    """
    nodes = 0.5 - 0.5 * (1 - 1 / rows) * np.cos(np.pi * np.arange(NODES) / (NODES - 1))
    nodes = np.append(nodes, nodes[:2].mean())
    weights = (-1.0) ** np.arange(NODES)
    weights[[0, -1]] /= 2
    apart = np.append(strip_radii(rows), nodes[-1])[:, None] - nodes[None, :NODES]
    at_node = np.abs(apart) < 1e-12
    terms = weights / np.where(at_node, 1, apart)
    matrix = np.where(at_node.any(1, keepdims=True), at_node, terms / terms.sum(1, keepdims=True))
    for shared in (nodes, matrix):
        shared.flags.writeable = False
    return nodes, matrix
