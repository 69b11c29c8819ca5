"""Fourier series of real values around a circle, as coefficients of 1, cos t, sin t, cos 2t, sin 2t, ..."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from irisstn.geometry.arrays import TAU, Float


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


@lru_cache(maxsize=32)
def even_basis(count: int, order: int) -> Float:
    """Values of 1, cos t, ..., cos `order` t, 0, sin t, ..., sin `order` t at the angles t = 2 pi n / `count`.

    Parameters
    ----------
    count : int
        Number of angles.
    order : int
        Highest Fourier order.

    Returns
    -------
    ndarray, shape (`count`, 2 `order` + 2)
        A read-only array that is shared by all callers.

    Examples
    --------
    >>> even_basis(4, 1).round(3) + 0.0
    array([[ 1.,  1.,  0.,  0.],
           [ 1.,  0.,  0.,  1.],
           [ 1., -1.,  0.,  0.],
           [ 1.,  0.,  0., -1.]])
    """
    angle = TAU * np.outer(np.arange(count), np.arange(order + 1)) / count
    basis = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    basis.flags.writeable = False
    return basis
