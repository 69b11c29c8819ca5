"""Smooth random noise on polar textures and on pictures."""

from __future__ import annotations

import cv2
import numpy as np

from irisstn.geometry import Float

TEXTURE_SIZE = (128, 1024)  # (R, T) of the textures


def smooth_ring(rng: np.random.Generator, grid: tuple[int, int], size: tuple[int, int] = TEXTURE_SIZE) -> Float:
    """Smooth noise on a polar picture, periodic in the angle.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of randomness.
    grid : tuple of int
        Rows and columns of random values, between which a cubic interpolates.
    size : tuple of int
        (R, T) of the picture; T must be a multiple of the grid's columns.

    Returns
    -------
    ndarray of float32, shape `size`
        Noise of standard deviation about 1.
    """
    rows, columns = grid
    height, width = size
    noise = rng.standard_normal((rows, columns), np.float32)
    scale = width // columns
    padded = np.concatenate([noise[:, -2:], noise, noise[:, :2]], axis=1)
    large = cv2.resize(padded, ((columns + 4) * scale, height), interpolation=cv2.INTER_CUBIC)
    # The cubic interpolation of independent values reduces their variance; the factor restores it.
    return np.asarray(1.25 * large[:, 2 * scale : 2 * scale + width], np.float32)


def smooth_noise(rng: np.random.Generator, size: tuple[int, int], cell_px: float, stretch: float = 1.0) -> Float:
    """Smooth noise on a picture.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of randomness.
    size : tuple of int
        (H, W) of the picture.
    cell_px : float
        Height in pixels of a cell with one random value.
    stretch : float
        Width of a cell relative to its height.

    Returns
    -------
    ndarray of float32, shape (H, W)
        Noise of standard deviation about 1.
    """
    height, width = size
    rows, columns = int(height / cell_px) + 4, int(width / (cell_px * stretch)) + 4
    grid = rng.standard_normal((rows, columns), np.float32)
    # The cubic interpolation is slow: for large cells it is done at a lower resolution and completed linearly.
    fewer = max(1, int(cell_px / 5))
    cell_px /= fewer
    noise = cv2.resize(
        grid, (int(columns * cell_px * stretch) + 1, int(rows * cell_px) + 1), interpolation=cv2.INTER_CUBIC
    )
    if fewer > 1:
        noise = noise[: height // fewer + 2, : width // fewer + 2]
        noise = cv2.resize(noise, None, fx=fewer, fy=fewer, interpolation=cv2.INTER_LINEAR)
    return np.asarray(noise[:height, :width], np.float32)
