"""JPEG files: markers, scans, and coded data that are missing."""

import io
import struct
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from irisstn.errors import ImageError
from irisstn.images import decode_gray

NOISE: np.ndarray = np.random.default_rng(1).integers(0, 256, (6, 8), np.uint8)
ROUGH: np.ndarray = cv2.resize(NOISE, (133, 101), interpolation=cv2.INTER_NEAREST)
FLAT_BELOW = np.vstack([ROUGH, np.full((40, 133), 128, np.uint8)])
JPEG_KINDS: list[dict[str, object]] = [{}, {"optimize": True}, {"restart_marker_rows": 1}, {"restart_marker_blocks": 3}]


@pytest.mark.parametrize("options", JPEG_KINDS, ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("picture", [ROUGH, FLAT_BELOW], ids=["rough", "flat below"])
def test_a_jpeg_cut_short_but_closed_is_refused(
    picture: np.ndarray, mode: str, options: dict[str, Any], capfd: pytest.CaptureFixture[str]
):
    pixels = picture if mode == "L" else np.dstack([picture, 255 - picture, picture // 2])
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "JPEG", quality=90, **options)
    whole = file.getvalue()
    expected = np.asarray(cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_COLOR))[..., 2]
    np.testing.assert_array_equal(decode_gray(whole), expected)
    assert capfd.readouterr().err == ""  # of a decoder that complains
    for data in (whole[:-2] + b"\xff\xff\xd9", whole + b"behind\xff\xd9"):
        np.testing.assert_array_equal(decode_gray(data), expected)
    start = whole.rindex(b"\xff\xda") + 20
    for share in (0.0, 0.3, 0.72, 0.9):
        with pytest.raises(ImageError, match="damaged or cut short"):
            decode_gray(whole[: start + int(share * (len(whole) - start))] + b"\xff\xd9")


def test_a_jpeg_of_many_scans_is_refused():
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    jpeg = bytes(cv2.imencode(".jpg", ROUGH, options)[1])
    assert jpeg.count(b"\xff\xda") > 3
    assert decode_gray(jpeg).shape == ROUGH.shape
    scan = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    with pytest.raises(ImageError, match="scans"):
        decode_gray(jpeg[:-2] + 200 * scan + jpeg[-2:])


def test_a_jpeg_marker_that_is_none_is_refused():
    jpeg = bytes(cv2.imencode(".jpg", ROUGH)[1])
    # A parser that skips the segment after FF 00 misses the frame header in it.
    false = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, 8, 8, 1) + b"\x01\x11\x00"
    for junk in (b"\xff\x00\x00\x04ab", b"\xff\x00" + struct.pack(">H", 2 + len(false)) + false):
        with pytest.raises(ImageError, match="no marker"):
            decode_gray(jpeg[:2] + junk + jpeg[2:])
