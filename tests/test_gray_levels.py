"""What the numbers of a picture mean."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import DTypeLike, NDArray

from irisstn import ImageError, to_gray

RAMP = np.tile(np.arange(256, dtype=np.uint8), (64, 1))


@given(bits=st.sampled_from([8, 10, 12, 14, 16, *range(17, 33)]), stuck=st.integers(0, 15), seed=st.integers(0, 99))
def test_stuck_pixels_do_not_decide_how_deep_a_picture_is(bits: int, stuck: int, seed: int):
    deep = RAMP.astype(np.uint64) << (bits - 8)
    deep = deep.astype(np.uint16 if bits <= 16 else np.uint32)
    places = np.random.default_rng(seed).integers(0, deep.size, stuck)
    deep.ravel()[places] = np.iinfo(deep.dtype).max
    kept = np.ones(deep.size, bool)
    kept[places] = False
    np.testing.assert_array_equal(to_gray(deep).ravel()[kept], RAMP.ravel()[kept])
    assert (to_gray(deep).ravel()[places] == 255).all()


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("kind", [np.uint16, np.uint32, np.float32])
def test_a_stuck_line_does_not_decide_how_deep_a_picture_is(bits: int, kind: DTypeLike):
    deep = (RAMP.astype(np.uint32) << (bits - 8)).astype(kind)
    deep[:, 100] = 65535  # one of 256 columns
    got = to_gray(deep)
    assert np.abs(np.delete(got, 100, axis=1).astype(int) - np.delete(RAMP, 100, axis=1)).max() <= 1
    assert (got[:, 100] == 255).all()
    # What fades into its surroundings is a reflection, and part of the picture.
    deep[:, 97:104] = np.array([2, 8, 30, 64, 30, 8, 2]) * 1023
    assert np.delete(to_gray(deep), range(97, 104), axis=1).max() < 64


@pytest.mark.parametrize("top", [1, 255])
def test_floats_that_overshoot_their_full_scale_are_no_deeper_ones(top: int):
    overshoot = (RAMP / 255 * 1.08 * top).astype(np.float32)
    assert to_gray(overshoot).min() == 0 and to_gray(overshoot).mean() > 130


def test_floats_between_full_scales_have_the_next_or_are_refused():
    assert 10 < to_gray((RAMP / 255 * 1.2 * 255).astype(np.float32)).mean() < 60
    for top in (1e-4, 1e-3, 0.03, 1.2, 1.5, 7.0):
        with pytest.raises(ImageError, match="no known full scale: divide"):
            to_gray(RAMP / 255 * top)
    for top in (0.1, 10.0):
        assert to_gray(RAMP / 255 * top).max() >= 8
    assert to_gray(RAMP * 0.0).max() == 0


TOPS = (1, 255, 1023, 4095, 16383, 65535)
KINDS: list[tuple[DTypeLike, int]] = [(kind, top) for kind in (np.float32, np.float64) for top in TOPS]
KINDS += [(np.float16, top) for top in TOPS[:-1]]


@pytest.mark.parametrize(("kind", "top"), KINDS)
def test_floats_of_any_full_scale(kind: DTypeLike, top: int):
    picture: NDArray[np.generic] = (RAMP / 255 * top).astype(kind)
    assert np.abs(to_gray(picture).astype(int) - RAMP).max() <= (1 if kind is np.float16 else 0)
    picture[0, 0] = min(40 * top, 60000)
    assert np.abs(to_gray(picture).astype(int) - RAMP)[1:].max() <= (1 if kind is np.float16 else 0)


def test_values_without_a_known_full_scale_are_refused():
    with pytest.raises(ImageError, match="full scale"):
        to_gray(RAMP.astype(np.float32) * 1000)
    for bad in (np.full((3, 3), np.nan), np.full((3, 3), -1), np.full((3, 3), -0.5), np.full((3, 3), np.inf)):
        with pytest.raises(ImageError):
            to_gray(bad)
    no_pictures: tuple[Any, ...] = (None, "eye.png", [[1, 2], [3, 4]])
    for wrong in no_pictures:
        with pytest.raises(ValueError, match="read_gray"):
            to_gray(wrong)
