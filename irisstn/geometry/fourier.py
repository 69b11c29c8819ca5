"""Fourier series of real values around a circle, as coefficients of 1, cos t, sin t, cos 2t, sin 2t, ..."""

from __future__ import annotations

import numpy as np

from irisstn.geometry.arrays import Float


def fourier_basis(angle_rad: Float, order: int) -> Float:
    """Values of 1, cos t, sin t, cos 2t, sin 2t, ... at angles t.

    Parameters
    ----------
    angle_rad : ndarray, shape (N,)
        Angles in radians.
    order : int
        Highest Fourier order.

    Returns
    -------
    ndarray, shape (N, 2 order + 1)
        One column for each function; its product with coefficients is the value of their series at the angles.

    Examples
    --------
    >>> fourier_basis(np.array([0.0, np.pi / 2]), 1).round(3) + 0.0
    array([[1., 1., 0.],
           [1., 0., 1.]])
    """
    columns = [np.ones(angle_rad.shape)]
    for k in range(1, order + 1):
        columns += [np.cos(k * angle_rad), np.sin(k * angle_rad)]
    return np.stack(columns, axis=1)


def fourier_coefficients(values: Float, angle_rad: Float, order: int) -> Float:
    """Coefficients of the series through values at evenly spaced angles.

    Parameters
    ----------
    values : ndarray, shape (N,)
        Values at the angles.
    angle_rad : ndarray, shape (N,)
        N evenly spaced angles of one turn, in radians.
    order : int
        Highest Fourier order, below N / 2.

    Returns
    -------
    ndarray, shape (2 order + 1,)
        Coefficients of `fourier_basis`.

    Examples
    --------
    >>> angle = np.arange(8) * np.pi / 4
    >>> fourier_coefficients(3 + np.sin(angle), angle, 1).round(3) + 0.0
    array([3., 0., 1.])
    """
    means = values @ fourier_basis(angle_rad, order) / len(values)
    return np.concatenate([means[:1], 2 * means[1:]])
