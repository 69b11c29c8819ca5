# mypy: disable-error-code="arg-type"
"""TIFF files: byte orders, depths, alpha, extra samples, orientation."""

import numpy as np
import pytest
from picture_files import ALPHA, DEEP, ON_BLACK, SMOOTH, refused, tiff

from irisstn.images import decode_gray


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    ("pixels", "full"), [(SMOOTH, 255), (DEEP, 65535), ((SMOOTH / 255).astype(np.float32), 1)], ids=["8", "16", "float"]
)
def test_tiff_and_bigtiff_in_both_byte_orders(order: str, big: bool, pixels: np.ndarray, full: int):
    np.testing.assert_array_equal(decode_gray(tiff(pixels, big=big, order=order)), SMOOTH)
    inverted = (full - pixels).astype(pixels.dtype)
    np.testing.assert_array_equal(decode_gray(tiff(inverted, big=big, order=order, photometric=0)), SMOOTH)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_white_is_zero_in_any_depth(bits: int):
    deep = SMOOTH.astype(np.uint16) << (bits - 8)
    deep[0, 0] = 0
    got = decode_gray(tiff(np.uint16((1 << bits) - 1) - deep, photometric=0))
    np.testing.assert_array_equal(got[1:], SMOOTH[1:])
    np.testing.assert_array_equal(
        decode_gray(tiff(np.uint16(65535) - deep, photometric=0))[1:], decode_gray(tiff(deep))[1:]
    )


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32, np.float32])
@pytest.mark.parametrize("extra", [1, 2])
def test_alpha_of_deep_tiff_and_colours_that_are_multiplied_already(kind: type, extra: int):
    full = 1 if kind is np.float32 else np.iinfo(kind).max
    pixels = np.dstack([SMOOTH, SMOOTH, SMOOTH, ALPHA]).astype(np.float64) / 255 * full
    got = decode_gray(tiff(pixels.astype(kind), (338, 3, extra)))
    assert np.abs(got.astype(int) - (ON_BLACK if extra == 2 else SMOOTH)).max() <= 1


def rows_in_a_tile(pixels: np.ndarray) -> tuple[tuple[int, int, int], ...]:
    """The tags that make one tile of a file by `tiff`."""
    size = len(pixels.tobytes())
    return ((322, 4, pixels.shape[1]), (323, 4, pixels.shape[0]), (324, 4, 16), (325, 4, size))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("tiled", [False, True])
def test_gray_tiff_with_extra_samples_is_read_rightly_or_refused(count: int, kind: type, photometric: int, tiled: bool):
    full = 1 if kind is np.float32 else np.iinfo(kind).max
    gray = SMOOTH if photometric else 255 - SMOOTH
    samples = [gray, *(np.roll(SMOOTH, 20 * extra, axis=1) for extra in range(1, count + 1))]
    pixels: np.ndarray = (np.dstack(samples) / 255 * full).astype(kind)
    tags = rows_in_a_tile(pixels) if tiled else ()
    data = tiff(pixels, *tags, photometric=photometric)
    eight, sixteen, floats = (kind is one for one in (np.uint8, np.uint16, np.float32))
    is_read = (eight and not tiled) or (sixteen and photometric and count == 1 and not tiled) or (floats and count > 1)
    if is_read:
        assert np.abs(decode_gray(data).astype(int) - SMOOTH).max() <= 1
    else:
        refused(data, f"gray with {count} extra sample", "save it as plain gray")


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_tiff_turns_with_and_without_alpha(orientation: int, turns: int):
    tags = [(274, 3, orientation), (338, 3, 2)]
    np.testing.assert_array_equal(decode_gray(tiff(SMOOTH, tags[0])), np.rot90(SMOOTH, turns))
    for channels in ([SMOOTH, ALPHA], [SMOOTH, SMOOTH, SMOOTH, ALPHA]):
        turned = decode_gray(tiff(np.dstack(channels), *tags))
        assert np.abs(turned.astype(int) - np.rot90(ON_BLACK, turns)).max() <= 1


def test_fields_that_are_stated_twice_are_refused():
    for tag in (256, 257, 258, 277):
        refused(tiff(SMOOTH, (tag, 4, 8)), "twice")
        refused(tiff(SMOOTH, (tag, 4, 8), big=True), "twice")
    refused(tiff(np.zeros((64, 64), np.uint8), (322, 4, 32000), (323, 4, 32000)), "tile of 1024000000")


@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32])
def test_signed_tiff_is_as_bright_as_its_positive_half(kind: type, photometric: int):
    full = np.iinfo(kind).max
    levels = SMOOTH if photometric else 255 - SMOOTH
    signed: np.ndarray = (levels / 255 * full).astype(kind)
    signed[0, :2] = 0, full
    refused(tiff((SMOOTH.astype(int) - 128).astype(kind)), "negative")
    if kind is np.int8 and photometric == 0:
        refused(tiff(signed, photometric=0), "8-bit signed integers in which white is zero")
        return
    got = decode_gray(tiff(signed, photometric=photometric))
    assert np.abs(got[1:].astype(int) - SMOOTH[1:]).max() <= 2
