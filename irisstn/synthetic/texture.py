"""The texture of one iris in polar form: fibres, collarette, crypts, furrows, freckles, the dark limbal ring.

Rows run from the pupil's edge (0) to the limbus (1) of the tissue at rest, columns clockwise from +x, as in a strip.
All parts are drawn along rows and columns; then one smooth warp adds the waves of the collarette and the slant of the
fibres. Amplitudes were chosen by comparison with normalised real strips, whose octaves of the spectrum along the angle
are about equally strong from 8 to 63 cycles and weaker above.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from irisstn.geometry import Float
from irisstn.synthetic.noise import TEXTURE_SIZE, smooth_ring


@dataclass(frozen=True, slots=True)
class TextureTraits:
    """The kind of texture. Radii are fractions of the ring's width; strengths are 1 for an average iris.

    Attributes
    ----------
    collarette, waviness : float
        Radius of the collarette, and amplitude of its waves.
    slant : float
        Slant of the fibres.
    fibres, ridges, mesh : float
        Strength of the radial fibres, of the thin bright strands among them, and of the crypts.
    crypts, large_crypts : float
        Fraction of the cells of the usual size, and of large cells, that are holes.
    cell_columns, cell_rows : int
        Usual size of a cell in texture pixels, divisors of the texture's size.
    furrows, freckles : int
        Numbers of contraction furrows and freckles.
    mottle, sectors, limbal_ring : float
        Strength of the fine grain, of the brightness of sectors, and of the dark ring at the limbus.
    collarette_step : float
        Difference of brightness inside the collarette.
    """

    collarette: float
    waviness: float
    slant: float
    fibres: float
    ridges: float
    mesh: float
    crypts: float
    cell_columns: int
    cell_rows: int
    large_crypts: float
    furrows: int
    freckles: int
    mottle: float
    sectors: float
    limbal_ring: float
    collarette_step: float


def sample_traits(rng: np.random.Generator) -> TextureTraits:
    """Draw the traits of a random iris, between smooth and fibrous, and between plain and rich in texture.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    TextureTraits
        The traits.
    """
    rich = rng.beta(1.6, 1.6)
    fibrous = rng.beta(0.7, 1.2)
    return TextureTraits(
        collarette=float(rng.uniform(0.2, 0.42)),
        waviness=float(rng.uniform(0.01, 0.045)),
        slant=float(rng.uniform(0.3, 1.1) * (1 - 0.6 * fibrous)),
        fibres=float((0.25 + 0.65 * fibrous) * rng.uniform(0.7, 1.1) * (0.6 + 0.8 * rich)),
        ridges=float(rng.uniform(0.0, 0.9) * rich * fibrous),
        mesh=float(rng.uniform(0.8, 1.6) * (1.25 - 0.6 * fibrous) * (0.45 + 0.8 * rich)),
        crypts=float(rng.uniform(0.35, 1.0)),
        cell_columns=int(rng.choice([16, 16, 32])),
        cell_rows=int(rng.choice([16, 16, 32])),
        large_crypts=float(rng.uniform(0.0, 0.4) * (0.3 + rich)),
        furrows=int(rng.integers(0, 7)),
        freckles=int(rng.integers(0, 30)) if rng.random() < 0.5 else int(rng.integers(0, 5)),
        mottle=float(rng.uniform(0.55, 1.0)),
        sectors=float(rng.uniform(0.3, 1.0)),
        limbal_ring=float(rng.uniform(0.3, 1.1)),
        collarette_step=float(rng.uniform(-0.4, 0.9)),
    )


def paint_texture(rng: np.random.Generator, traits: TextureTraits) -> Float:
    """Draw the texture of an iris.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of randomness.
    traits : TextureTraits
        The kind of texture.

    Returns
    -------
    ndarray of float32, shape `TEXTURE_SIZE`
        Relative brightness: 0 = the mean of the iris, standard deviation about 1.
    """
    rows, _ = TEXTURE_SIZE
    radius = ((np.arange(rows, dtype=np.float32) + 0.5) / rows)[:, None]
    inner = 1.0 / (1.0 + np.exp((radius - traits.collarette) / 0.03))
    near = np.exp(-(((radius - traits.collarette) / 0.14) ** 2))

    fibres = _fibres(rng, traits.ridges)
    texture: Float = traits.fibres * fibres * (0.75 + 0.5 * near - 0.2 * inner)
    mesh_fraction = np.clip(1.15 - np.abs(radius - 0.55 * traits.collarette) / (0.5 * traits.collarette + 0.1), 0, 1)
    texture += traits.mesh * _cells(rng, (traits.cell_rows, traits.cell_columns), traits.crypts * mesh_fraction)
    sparse = np.clip(1.0 - np.abs(radius - traits.collarette - 0.12) / 0.28, 0, 1) ** 2
    holes = _cells(rng, (32, 32), traits.large_crypts * sparse)
    texture += (0.5 + traits.mesh) * holes * (1.0 + 0.15 * fibres)
    texture += traits.mottle * _mottle(rng)
    texture += traits.sectors * (0.35 * smooth_ring(rng, (2, 8)) + 0.3 * smooth_ring(rng, (4, 16)))
    _carve_furrows(rng, texture, traits.furrows)
    texture = _warp(rng, texture, traits)
    _dot_freckles(rng, texture, traits.freckles)
    texture += _profile(radius, traits)
    return np.asarray(texture, np.float32)


def _fibres(rng: np.random.Generator, ridges: float) -> Float:
    """Radial fibres: noise that is long in the radius and short in the angle; ridges are thin bright strands."""
    coarse = smooth_ring(rng, (5, 64))
    middle = smooth_ring(rng, (8, 128))
    fine = smooth_ring(rng, (12, 256))
    finest = smooth_ring(rng, (16, 512))
    strands = smooth_ring(rng, (7, 128))
    thin = np.exp(-6.0 * strands * strands) - 0.35
    return np.asarray(
        0.36 * coarse + 0.46 * middle + 0.55 * fine + 0.34 * finest + np.float32(1.3 * ridges) * thin, np.float32
    )


def _mottle(rng: np.random.Generator) -> Float:
    """Fine isotropic grain."""
    small = smooth_ring(rng, (16, 128))
    smaller = smooth_ring(rng, (32, 256))
    smallest = smooth_ring(rng, (64, 512))
    return np.asarray(0.22 * small + 0.3 * smaller + 0.26 * smallest, np.float32)


def _cells(rng: np.random.Generator, cell: tuple[int, int], fraction: Float) -> Float:
    """Crypts as cells of a jittered grid (Worley 1996, "A cellular texture basis function").

    They are dark inside, with bright rims; `fraction` (R, 1) of them are holes. With the distances F1 and F2 to the
    nearest and the second nearest seed, F2 - F1 is 0 on the rim and grows inward.
    """
    height, width = TEXTURE_SIZE
    rows, columns = height // cell[0], width // cell[1]
    seeds = rng.uniform(0.05, 0.95, (3, rows + 2, columns)).astype(np.float32)
    chance = np.interp((np.arange(rows + 2) - 0.5) / rows, np.linspace(0, 1, height), fraction[:, 0]).astype(np.float32)
    depth = np.clip((chance[:, None] - seeds[2]) * 3.0 + 0.2, 0.0, 1.0) * (seeds[2] < chance[:, None])
    at_row = ((np.arange(height, dtype=np.float32) + 0.5) / cell[0] % 1.0)[:, None]
    at_column = ((np.arange(width, dtype=np.float32) + 0.5) / cell[1] % 1.0)[None, :]
    first = np.full(TEXTURE_SIZE, 9.0, np.float32)
    second = first.copy()
    hole = np.zeros(TEXTURE_SIZE, np.float32)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            y, x, deep = (
                cv2.resize(
                    np.roll(a[1 + down : 1 + down + rows], -right, axis=1),
                    (width, height),
                    interpolation=cv2.INTER_NEAREST,
                )
                for a in (seeds[0], seeds[1], depth)
            )
            distance = cv2.magnitude(y + (down - at_row), x + (right - at_column))
            nearer = distance < first
            second = np.minimum(second, np.maximum(first, distance))
            hole = np.where(nearer, deep, hole)
            first = np.minimum(first, distance)
    inward = second - first
    floor = np.clip((inward - 0.04) / 0.5, 0, 1)
    floor = floor * floor * (3 - 2 * floor)
    around = cv2.blur(hole, (cell[1] // 2 + 1, cell[0] // 2 + 1))
    rim = np.exp(-((inward / 0.16) ** 2)) * around
    return np.asarray(1.1 * rim - 2.4 * floor * hole, np.float32)


def _carve_furrows(rng: np.random.Generator, texture: Float, count: int) -> None:
    """Contraction furrows: partial arcs around the pupil in the outer zone, a dark line beside a bright one."""
    height, width = texture.shape
    for _ in range(count):
        middle = rng.uniform(0.45, 0.93) * height + 1.2 * smooth_ring(rng, (1, 16), (1, width))[0]
        strength = np.clip(smooth_ring(rng, (1, 8), (1, width))[0] + 0.2, 0, 1.5) * rng.uniform(0.25, 0.7)
        spread = rng.uniform(1.0, 2.2)
        top = max(0, int(middle.min() - 4 * spread))
        bottom = min(height, int(middle.max() + 4 * spread) + 1)
        offset = (np.arange(top, bottom, dtype=np.float32)[:, None] - middle) / spread
        line = np.exp(-0.5 * offset * offset) * (0.5 * offset - 0.8)
        texture[top:bottom] += (line * strength).astype(np.float32)


def _warp(rng: np.random.Generator, texture: Float, traits: TextureTraits) -> Float:
    """`texture` with waves of the collarette along the radius and slants of the fibres along the angle."""
    height, width = texture.shape
    rows = np.arange(height, dtype=np.float32)[:, None]
    ring = np.sin(np.pi * (rows + 0.5) / height)
    inner = 1.0 / (1.0 + np.exp((rows / height - traits.collarette - 0.15) / 0.06))
    waves = 0.8 * smooth_ring(rng, (1, 32), (height, width)) + 0.8 * smooth_ring(rng, (1, 8), (height, width))
    from_row = rows + np.float32(traits.waviness * height) * waves * ring
    turns = 4.5 * smooth_ring(rng, (6, 16)) + 1.0 * smooth_ring(rng, (8, 64))
    slant = np.float32(traits.slant) * (turns + inner * 0.55 * rows * smooth_ring(rng, (1, 16), (1, width)))
    from_column = np.arange(width, dtype=np.float32)[None, :] + slant + 16.0
    padded = np.concatenate([texture[:, -48:], texture, texture[:, :48]], axis=1)
    from_column = np.clip(from_column + 32.0, 0, width + 95).astype(np.float32)
    return np.asarray(
        cv2.remap(padded, from_column, from_row.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


def _dot_freckles(rng: np.random.Generator, texture: Float, count: int) -> None:
    """Small dark spots of pigment anywhere on the ring."""
    height, width = texture.shape
    for row, column, size, depth in rng.uniform((8, 0, 1.0, 0.6), (height - 8, width, 3.5, 2.2), (count, 4)):
        y = np.arange(max(0, int(row - 8)), min(height, int(row + 9)))
        x = np.arange(int(column) - 16, int(column) + 17)
        square = ((y - row)[:, None] / size) ** 2 + ((x - column)[None, :] / (1.7 * size)) ** 2
        texture[y[:, None], x[None, :] % width] -= (depth * np.exp(-0.5 * square)).astype(np.float32)


def _profile(radius: Float, traits: TextureTraits) -> Float:
    """The mean brightness along the radius (R, 1): the dark pupillary frill, the collarette, the limbal ring."""
    frill = -1.6 * np.exp(-radius / 0.025)
    step = traits.collarette_step / (1.0 + np.exp((radius - traits.collarette) / 0.05))
    crest = 0.5 * np.exp(-(((radius - traits.collarette) / 0.05) ** 2))
    limbal = -1.6 * traits.limbal_ring * np.exp(-(1.0 - radius) / 0.07)
    return np.asarray(frill + step + crest + limbal, np.float32)
