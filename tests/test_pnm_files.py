# mypy: disable-error-code="arg-type"
"""PBM, PGM and PPM files: comments, and the level of white that they state."""

import numpy as np
import pytest
from picture_files import SMOOTH, refused

from irisstn.errors import ImageError
from irisstn.images import decode_gray


def test_comments_of_a_pnm_end_as_opencv_ends_them():
    pixels = SMOOTH.tobytes()
    for head in (b"P5 #c\r64 48\n255\n", b"P5\n# a\n#b\r\n64 #c\n48 255\n"):
        np.testing.assert_array_equal(decode_gray(head + pixels), SMOOTH)
    with pytest.raises(ImageError, match="limit"):
        decode_gray(b"P5 #c\r64 48\n8 8\n255\n" + pixels, max_pixels=100)
    refused(b"P5\n64#99 \n48 255\n" + pixels, "no width and height")  # OpenCV reads 99 as the height
    long = b"P5\n" + 100 * (b"#" + b"c" * 78 + b"\n") + b"64 48\n255\n"
    np.testing.assert_array_equal(decode_gray(long + pixels), SMOOTH)


@pytest.mark.parametrize("white", [1, 15, 63, 100, 255])
def test_white_of_a_pnm_is_the_level_that_it_states(white: int):
    levels = np.rint(SMOOTH / 255 * white).astype(np.uint8)
    for head in (b"P5\n64 48\n%d\n", b"P5\n64 48 # c\n%d\n", b"P5 64 # c\r48\n# d\n%d "):
        got = decode_gray(head % white + levels.tobytes())
        np.testing.assert_array_equal(got, np.rint(levels * (255 / white)))
    np.testing.assert_array_equal(decode_gray(b"P6\n64 48\n%d\n" % white + np.dstack([levels] * 3).tobytes()), got)
    text = b"P2\n64 48\n%d\n" % white + b" ".join(b"%d" % level for level in levels.ravel())
    assert np.abs(decode_gray(text).astype(int) - got).max() <= 1


@pytest.mark.parametrize("white", [256, 300, 511, 2047, 10000, 32767])
def test_white_of_a_deep_pnm_is_the_level_that_it_states(white: int):
    levels = np.rint(SMOOTH / 255 * white).astype(np.uint16)
    expected = np.rint(levels * (255 / white))
    colours = np.dstack([levels, levels // 2, levels // 3])
    for kind, pixels in ((5, levels), (6, colours)):
        data = b"P%d\n64 48\n%d\n" % (kind, white) + pixels.astype(">u2").tobytes()
        np.testing.assert_array_equal(decode_gray(data), expected)
    for kind, pixels in ((2, levels), (3, colours)):
        text = b"P%d\n64 48\n%d\n" % (kind, white) + b" ".join(b"%d" % level for level in pixels.ravel())
        np.testing.assert_array_equal(decode_gray(text), expected)


@pytest.mark.parametrize("kind", [5, 6])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_a_pnm_of_the_largest_white_has_the_bits_in_use(kind: int, bits: int):
    levels = SMOOTH.astype(np.uint16) << (bits - 8)
    levels[0, 0] = (1 << bits) - 1
    pixels = levels if kind == 5 else np.dstack([levels, levels // 2, levels // 3])
    got = decode_gray(b"P%d\n64 48\n65535\n" % kind + pixels.astype(">u2").tobytes())
    np.testing.assert_array_equal(got[1:], SMOOTH[1:])


def test_white_of_a_pnm_may_begin_with_zeros_but_must_be_there():
    levels = np.rint(SMOOTH / 255 * 100).astype(np.uint8).tobytes()
    plain = decode_gray(b"P5\n64 48\n100\n" + levels)
    assert np.abs(plain.astype(int) - SMOOTH).max() <= 2
    for white in (b"0100", b"000000100"):
        np.testing.assert_array_equal(decode_gray(b"P5\n64 48\n" + white + b"\n" + levels), plain)
    for wrong in (b"0", b"65536", b"white"):
        refused(b"P5\n64 48\n" + wrong + b"\n" + 2 * levels, "level of white")
