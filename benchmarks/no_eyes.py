"""Pictures without an eye: photographs cropped at random, textures, and drawings of round things."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import TAU, Float32, Gray
from irisstn.images import decode_gray, encode_jpeg

SIZE = (240, 320)  # H, W of the drawings
_RNG = np.random.Generator
Drawing = Callable[[_RNG], Float32]
_COARSE = 30.0  # pixels, the widest spots of a texture


def photographs(pictures: Sequence[Gray], rng: _RNG) -> Iterator[Gray]:
    """Crops of pictures without an eye, at random places and scales, one picture after the other, without end.

    Parameters
    ----------
    pictures : sequence of ndarray of uint8, shape (H, W)
        The pictures.
    rng : numpy.random.Generator
        Source of the crops.

    Yields
    ------
    ndarray of uint8, shape (240, 320) or (480, 640)
        A crop.
    """
    while True:
        for picture in pictures:
            height, width = picture.shape
            across = min(float(rng.uniform(0.12, 1.0)) * min(height, width) * 4 / 3, float(width))
            down = across * 3 / 4
            left, top = rng.uniform(0, width - across), rng.uniform(0, height - down)
            crop = picture[int(top) : int(top + down) + 1, int(left) : int(left + across) + 1]
            size = (320, 240) if rng.random() < 0.5 else (640, 480)
            method = cv2.INTER_AREA if across > size[0] else cv2.INTER_CUBIC
            yield np.asarray(cv2.resize(crop, size, interpolation=method), np.uint8)


def drawings(draw: Drawing, rng: _RNG) -> Iterator[Gray]:
    """Drawings of one kind, blurred a little, with noise and at times compressed, without end.

    Parameters
    ----------
    draw : callable
        One of `DRAWINGS`.
    rng : numpy.random.Generator
        Source of the drawings.

    Yields
    ------
    ndarray of uint8, shape (240, 320)
        A drawing.
    """
    while True:
        levels = cv2.GaussianBlur(draw(rng), (0, 0), float(rng.uniform(0.6, 2.0)))
        levels = levels + rng.normal(0, rng.uniform(0, 5), SIZE)
        image = np.clip(levels, 0, 255).astype(np.uint8)
        if rng.random() < 0.3:
            image = decode_gray(encode_jpeg(image, quality=int(rng.integers(50, 95))))
        yield image


def _gray(rng: _RNG, low: int = 0, high: int = 256) -> float:
    return float(rng.integers(low, high))


def _canvas(rng: _RNG) -> tuple[Float32, tuple[float, float], float]:
    """A background, uniform or graded or textured, and the centre and radius of what is drawn on it."""
    image = np.full(SIZE, _gray(rng), np.float32)
    choice = rng.random()
    if choice < 0.25:
        image += np.linspace(-60, 60, SIZE[1], dtype=np.float32) * float(rng.uniform(-1, 1))
    elif choice < 0.4:
        image += _texture(rng, 8.0) * float(rng.uniform(5, 30))
    centre = (SIZE[1] / 2 + float(rng.normal(0, 20)), SIZE[0] / 2 + float(rng.normal(0, 12)))
    return image, centre, float(rng.uniform(40, 110))


def _texture(rng: _RNG, spot: float) -> Float32:
    """Smooth noise of standard deviation 1 with spots of so many pixels."""
    noise = cv2.GaussianBlur(rng.normal(size=SIZE).astype(np.float32), (0, 0), spot)
    return np.asarray((noise - noise.mean()) / max(float(noise.std()), 1e-6), np.float32)


def _disc(image: Float32, centre: tuple[float, float], radius: float, gray: float, width: int = -1) -> None:
    at = round(centre[0] * 16), round(centre[1] * 16)
    cv2.circle(image, at, max(1, round(radius * 16)), gray, width, cv2.LINE_AA, 4)


def _line(
    image: Float32, centre: tuple[float, float], angle: float, near: float, far: float, gray: float, width: int
) -> None:
    """A line from one radius to another."""
    direction = np.array([np.cos(angle), np.sin(angle)])
    start, stop = (np.rint((np.array(centre) + r * direction) * 16).astype(int).tolist() for r in (near, far))
    cv2.line(image, start, stop, gray, width, cv2.LINE_AA, 4)


def _write(image: Float32, text: str, place: tuple[int, int], scale: float, gray: float) -> None:
    mask = np.zeros(SIZE, np.uint8)
    cv2.putText(mask, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, 2, cv2.LINE_AA)
    image += mask / np.float32(255) * (np.float32(gray) - image)


def _polar(centre: tuple[float, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.hypot(x - centre[0], y - centre[1]), np.arctan2(y - centre[1], x - centre[0])


def _discs(rng: _RNG) -> Float32:
    image, centre, radius = _canvas(rng)
    _disc(image, centre, radius, _gray(rng))
    if rng.random() < 0.7:
        _disc(image, centre, radius * float(rng.uniform(0.2, 0.7)), _gray(rng))
    return image


def _eye_like_discs(rng: _RNG) -> Float32:
    """A dark disc in a gray one on a bright background: an eye's order of gray levels."""
    image, centre, radius = _canvas(rng)
    image[:] = _gray(rng, 150, 240)
    _disc(image, centre, radius, _gray(rng, 70, 140))
    _disc(image, centre, radius * float(rng.uniform(0.25, 0.6)), _gray(rng, 0, 50))
    return image


def _rings(rng: _RNG) -> Float32:
    image, centre, radius = _canvas(rng)
    step = float(rng.uniform(4, 25))
    for r in np.arange(max(radius, 60), 3, -step):
        _disc(image, centre, float(r), _gray(rng))
    return image


def _target(rng: _RNG) -> Float32:
    """Rings of two gray levels in turn around a dark centre."""
    image, centre, radius = _canvas(rng)
    count, levels = int(rng.integers(3, 12)), (_gray(rng, 0, 90), _gray(rng, 90, 256))
    for i in range(count, 0, -1):
        _disc(image, centre, radius * i / count, levels[i % 2])
    _disc(image, centre, radius * float(rng.uniform(0.15, 0.45)), _gray(rng, 0, 60))
    return image


def _ripples(rng: _RNG) -> Float32:
    """Waves around a centre, as grooves of a record."""
    image, centre, radius = _canvas(rng)
    r, _ = _polar(centre)
    waves = _gray(rng, 60, 180) + rng.uniform(5, 50) * np.sin(r * TAU / rng.uniform(3, 20) + rng.uniform(0, TAU))
    image = np.where(r < radius, waves, image).astype(np.float32)
    _disc(image, centre, radius * float(rng.uniform(0.2, 0.5)), _gray(rng, 0, 60))
    return image


def _wheel(rng: _RNG) -> Float32:
    image, centre, radius = _canvas(rng)
    rim, face, hub, spoke = (_gray(rng, *levels) for levels in ((0, 90), (90, 220), (0, 60), (0, 256)))
    _disc(image, centre, radius, rim)
    _disc(image, centre, radius * float(rng.uniform(0.7, 0.95)), face)
    count, width, first = int(rng.integers(3, 40)), int(rng.integers(1, 7)), float(rng.uniform(0, TAU))
    for k in range(count):
        _line(image, centre, first + k * TAU / count, 0, radius, spoke, width)
    _disc(image, centre, radius * float(rng.uniform(0.15, 0.45)), hub)
    return image


def _sectors(rng: _RNG) -> Float32:
    """Sectors of two gray levels in turn, or of random ones, around a dark centre: a dartboard, a pie chart, petals."""
    image, centre, radius = _canvas(rng)
    r, angle = _polar(centre)
    count = int(rng.integers(3, 60))
    levels = rng.uniform(40, 230, count) if rng.random() < 0.5 else np.resize(rng.uniform(40, 230, 2), count)
    image = np.where(r < radius, levels[(np.floor((angle / TAU + 0.5) * count).astype(int)) % count], image)
    image = image.astype(np.float32)
    _disc(image, centre, radius * float(rng.uniform(0.2, 0.5)), _gray(rng, 0, 60))
    return image


def _dartboard(rng: _RNG) -> Float32:
    """Sectors and rings at once."""
    image, centre, radius = _canvas(rng)
    r, angle = _polar(centre)
    count, step = int(rng.integers(4, 40)), float(rng.uniform(6, 40))
    cells = (np.floor((angle / TAU + 0.5) * count) + np.floor(r / step)) % 2
    low, high = _gray(rng, 20, 120), _gray(rng, 120, 240)
    image = np.where(r < radius, np.where(cells > 0, high, low), image).astype(np.float32)
    _disc(image, centre, radius * float(rng.uniform(0.2, 0.5)), _gray(rng, 0, 60))
    return image


def _clock(rng: _RNG) -> Float32:
    image, centre, radius = _canvas(rng)
    face, ink = _gray(rng, 120, 256), _gray(rng, 0, 80)
    _disc(image, centre, radius, face)
    _disc(image, centre, radius, ink, int(rng.integers(2, 8)))
    for k in range(12):
        _line(image, centre, k * TAU / 12, 0.82 * radius, 0.95 * radius, ink, 2)
    for length in (0.5, 0.8):
        _line(image, centre, float(rng.uniform(0, TAU)), 0, length * radius, ink, 3)
    _disc(image, centre, radius * float(rng.uniform(0.03, 0.3)), ink)
    return image


def _button(rng: _RNG) -> Float32:
    image, centre, radius = _canvas(rng)
    body = _gray(rng, 50, 220)
    _disc(image, centre, radius, body)
    _disc(image, centre, radius * 0.85, body - 25, int(rng.integers(1, 6)))
    if rng.random() < 0.5:
        _disc(image, centre, radius * 0.6, body - float(rng.uniform(10, 60)))
    holes, reach = int(rng.choice([1, 2, 4])), radius * float(rng.uniform(0.15, 0.3))
    for k in range(holes):
        angle = k * TAU / holes + 0.4
        place = (centre[0] + reach * np.cos(angle), centre[1] + reach * np.sin(angle)) if holes > 1 else centre
        _disc(image, place, radius * float(rng.uniform(0.08, 0.2)) * (2 if holes == 1 else 1), _gray(rng, 0, 60))
    return image


def _coin(rng: _RNG) -> Float32:
    """A rim, relief and letters along the edge."""
    image, centre, radius = _canvas(rng)
    body = _gray(rng, 80, 200)
    _disc(image, centre, radius, body)
    _disc(image, centre, radius * 0.93, body - 40, 3)
    for k in range(int(rng.integers(8, 30))):
        angle, scale = k * TAU / 30, radius / 150
        place = (round(centre[0] + 0.75 * radius * np.cos(angle)), round(centre[1] + 0.75 * radius * np.sin(angle)))
        _write(image, chr(int(rng.integers(65, 91))), place, scale, body - 60)
    _disc(image, centre, radius * float(rng.uniform(0.2, 0.5)), body - float(rng.uniform(20, 110)))
    return image


def _text(rng: _RNG) -> Float32:
    image, _, _ = _canvas(rng)
    ink, scale = _gray(rng), float(rng.uniform(0.4, 2.5))
    for y in np.arange(20, SIZE[0], 32 * scale):
        word = "".join(chr(int(c)) for c in rng.integers(65, 123, 30))
        _write(image, word, (2, round(float(y))), scale, ink)
    return image


def _textures(rng: _RNG) -> Float32:
    choice = rng.random()
    spot = float(np.exp(rng.uniform(np.log(0.5), np.log(_COARSE))))
    image = _gray(rng, 60, 200) + float(rng.uniform(5, 60)) * _texture(rng, spot)
    if choice < 0.3:
        image = np.where(_texture(rng, spot) > 0, _gray(rng), image)
    elif choice < 0.5:
        y, x = np.mgrid[: SIZE[0], : SIZE[1]]
        angle, wave = rng.uniform(0, TAU), rng.uniform(4, 60)
        image = image + 40 * np.sin((x * np.cos(angle) + y * np.sin(angle)) * TAU / wave)
    return image.astype(np.float32)


DRAWINGS: dict[str, Drawing] = {
    "one or two discs": _discs,
    "discs with an eye's gray levels": _eye_like_discs,
    "concentric rings": _rings,
    "targets": _target,
    "ripples": _ripples,
    "wheels with spokes": _wheel,
    "sectors": _sectors,
    "dartboards": _dartboard,
    "clocks": _clock,
    "buttons": _button,
    "coins": _coin,
    "text": _text,
    "textures": _textures,
}
