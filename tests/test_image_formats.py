# mypy: disable-error-code="arg-type"
"""Kinds of picture files that decoders read differently: read as they look, or refused by their true name."""

import io
import os
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from irisstn.errors import ImageError
from irisstn.images import SUFFIXES, decode_gray

SMOOTH: np.ndarray = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8), (0, 0), 3)
DEEP = SMOOTH.astype(np.uint16) * 257
ALPHA = np.full_like(SMOOTH, 255)
ALPHA[:10, :20], ALPHA[10:20] = 0, 128
ON_BLACK = np.rint(SMOOTH * (ALPHA / 255)).astype(np.uint8)


def tiff(pixels: np.ndarray, *more: tuple[int, int, int], big: bool = False, order: str = "<", **change: int) -> bytes:
    """A TIFF file of (H, W) or (H, W, C) pixels; `more` are further tags (number, type, value)."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    kind = {"u": 1, "i": 2, "f": 3, "c": 6}[pixels.dtype.kind]
    tags = {"width": 256, "height": 257, "bits": 258, "compression": 259, "photometric": 262, "offset": 273}
    tags |= {"channels": 277, "rows": 278, "bytes": 279, "planar": 284, "format": 339}
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    values = {"width": pixels.shape[1], "height": pixels.shape[0], "bits": 8 * pixels.itemsize, "compression": 1}
    values |= {"photometric": 2 if channels > 2 else 1, "offset": 16, "channels": channels, "rows": pixels.shape[0]}
    values |= {"bytes": len(data), "planar": 1, "format": kind} | change
    rows = [(tags[name], 4, value) for name, value in values.items()] + list(more)
    codes, count, offset, size = {3: "H", 4: "I"}, "Q" if big else "H", "Q" if big else "I", 8 if big else 4
    directory = struct.pack(order + count, len(rows))
    for tag, form, value in rows:
        directory += struct.pack(order + "HH" + offset, tag, form, 1)
        directory += struct.pack(order + codes[form], value).ljust(size, b"\0")
    start = 16 + len(data)
    mark = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head = mark + (struct.pack(order + "HHQ", 8, 0, start) if big else struct.pack(order + "I", start))
    return head.ljust(16, b"\0") + data + directory + bytes(8)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def picture_of(mode: str) -> Image.Image:
    gray, alpha = Image.fromarray(SMOOTH), Image.fromarray(ALPHA)
    return Image.merge(mode, (*[gray] * (len(mode) - 1), alpha))


def refused(data: bytes, *words: str) -> None:
    with pytest.raises(ImageError) as raised:
        decode_gray(data)
    for word in words:
        assert word in str(raised.value)
    assert "damaged" not in str(raised.value)
    assert "known format" not in str(raised.value)


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


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("WEBP", {"lossless": True, "exact": True}),
        ("JPEG2000", {}),
        ("JPEG2000", {"no_jp2": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "zstd"}),
    ],
)
def test_alpha_is_laid_on_black_in_every_format(mode: str, kind: str, options: dict[str, object]):
    if kind == "WEBP" and mode == "LA":
        pytest.skip("WebP has colours only")
    got = decode_gray(saved(picture_of(mode), kind, **options))
    assert np.abs(got.astype(int) - ON_BLACK).max() <= 1
    assert (got[:10, :20] == 0).all()


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


def test_alpha_of_bmp_counts_where_a_mask_names_it():
    with_mask = bytes(cv2.imencode(".bmp", np.dstack([SMOOTH, SMOOTH, SMOOTH, ALPHA]))[1])
    np.testing.assert_array_equal(decode_gray(with_mask), ON_BLACK)
    rows = np.dstack([SMOOTH, SMOOTH, SMOOTH, ALPHA])[::-1].tobytes()
    plain = struct.pack("<2sIIIIiiHHIIIIII", b"BM", 54 + len(rows), 0, 54, 40, 64, 48, 1, 32, 0, len(rows), 0, 0, 0, 0)
    np.testing.assert_array_equal(decode_gray(plain + rows), SMOOTH)


MASKS_565, MASKS_555 = (0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F)


def bmp_with_masks(bits: int, masks: tuple[int, int, int], size: int) -> bytes:
    """A BMP file of bit masks for red, green and blue; red is `SMOOTH` as far as its bits reach."""
    pixels = np.zeros(SMOOTH.shape, np.uint32)
    for mask, channel in zip(masks, (SMOOTH, 255 - SMOOTH, SMOOTH // 2), strict=True):
        low = (mask & -mask).bit_length() - 1
        pixels |= (channel.astype(np.uint32) >> (8 - (mask >> low).bit_length())) << low
    rows = pixels[::-1].astype(np.uint32 if bits == 32 else np.uint16).tobytes()
    head = struct.pack("<IiiHHIIiiII", size, 64, 48, 1, bits, 3, len(rows), 0, 0, 0, 0)
    head += struct.pack("<III", *masks).ljust(max(size - 40, 12), b"\0")
    return struct.pack("<2sIII", b"BM", 14 + len(head) + len(rows), 0, 14 + len(head)) + head + rows


@pytest.mark.parametrize(
    ("bits", "masks", "size"),
    [
        (32, (0xFF0000, 0xFF00, 0xFF), 40),
        (32, (0xFF, 0xFF00, 0xFF0000), 56),
        (16, MASKS_565, 40),
        (16, MASKS_555, 40),
    ],
)
def test_bit_masks_of_bmp_that_are_read(bits: int, masks: tuple[int, int, int], size: int):
    got = decode_gray(bmp_with_masks(bits, masks, size))
    assert np.abs(got.astype(int) - SMOOTH).max() <= (0 if bits == 32 else 7)


@pytest.mark.parametrize(
    ("bits", "masks", "size"),
    [
        (32, (0xFF, 0xFF00, 0xFF0000), 40),
        (32, (0xFF000000, 0xFF0000, 0xFF00), 52),
        (16, (0xF00, 0xF0, 0xF), 40),
        (16, MASKS_565[::-1], 40),
        (16, MASKS_565, 56),
    ],
)
def test_bit_masks_of_bmp_that_are_not_read_are_named(bits: int, masks: tuple[int, int, int], size: int):
    refused(bmp_with_masks(bits, masks, size), "BMP file", "bit masks", "save it as PNG")


def test_alpha_turns_with_the_picture():
    exif = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x112, 3, 1, 6, 0, 0)
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        got = decode_gray(saved(picture_of("RGBA"), kind, exif=exif, **options))
        np.testing.assert_array_equal(got, np.rot90(ON_BLACK, -1))


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_tiff_turns_with_and_without_alpha(orientation: int, turns: int):
    tags = [(274, 3, orientation), (338, 3, 2)]
    np.testing.assert_array_equal(decode_gray(tiff(SMOOTH, tags[0])), np.rot90(SMOOTH, turns))
    for channels in ([SMOOTH, ALPHA], [SMOOTH, SMOOTH, SMOOTH, ALPHA]):
        turned = decode_gray(tiff(np.dstack(channels), *tags))
        assert np.abs(turned.astype(int) - np.rot90(ON_BLACK, turns)).max() <= 1


@pytest.mark.parametrize("pixels", [SMOOTH, DEEP])
def test_the_transparent_level_of_a_gray_png_is_black(pixels: np.ndarray):
    png = bytes(cv2.imencode(".png", pixels)[1])
    level = int(pixels[30, 30])
    chunk = b"tRNS" + struct.pack(">H", level)
    png = png[:33] + struct.pack(">I", 2) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]
    np.testing.assert_array_equal(decode_gray(png), np.where(pixels == level, 0, SMOOTH))


def test_what_opencv_cannot_read_is_read_or_refused_by_its_name():
    text = b"P2\n64 48\n255\n" + b" ".join(b"%d" % value for value in SMOOTH.ravel())
    np.testing.assert_array_equal(decode_gray(text), SMOOTH)
    np.testing.assert_array_equal(decode_gray(text + b"\n"), SMOOTH)
    refused(tiff(np.dstack([SMOOTH] * 5)), "5 channels", "save it as")
    refused(tiff((SMOOTH / 255).astype(np.float16)), "16-bit floats", "save it as")
    refused(tiff(SMOOTH.astype(np.complex64)), "64-bit complex floats")
    refused(tiff(np.dstack([DEEP, DEEP]), (338, 3, 2)), "gray and alpha of 16 bits")
    refused(tiff(np.dstack([DEEP] * 3), planar=2), "3 separate planes of 16 bits")
    refused(tiff(np.dstack([DEEP] * 4), photometric=5), "colour space 5")
    refused(tiff(SMOOTH, compression=34887), "compression 34887")
    nibbles = SMOOTH[:, ::2] // 16 * 16 + SMOOTH[:, 1::2] // 16
    np.testing.assert_array_equal(decode_gray(tiff(nibbles, bits=4, width=64)), SMOOTH // 16 * 17)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (saved(Image.fromarray(SMOOTH), "TGA") + bytes(8) + b"TRUEVISION-XFILE.\0", "TGA"),
        (b"\xff\x0a\xfa\x7f\x01\x90\x08", "JPEG XL"),
        (b"8BPS\0\1", "Photoshop"),
        (b"%PDF-1.4\n", "PDF"),
        (b"P7\nWIDTH 64\n", "PAM"),
    ],
)
def test_formats_that_are_not_read_are_named(data: bytes, name: str):
    refused(data, f"the file is {name}", "save the picture as PNG")


@pytest.mark.parametrize(
    ("data", "name", "package"),
    [
        (bytes(128) + b"DICM\2\0\0\0UL", "DICOM", "irisstn[formats]"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC", "irisstn[formats]"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF", "pillow"),
    ],
)
def test_formats_of_other_packages_are_named_with_or_without_them(
    data: bytes, name: str, package: str, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(ImageError, match=name):
        decode_gray(data)  # it breaks off
    monkeypatch.setattr("irisstn.optional_formats.find_spec", lambda module: None)
    refused(data, f"the file is {name}", "pip install ", package, "save the picture as PNG")


@pytest.mark.skipif(".avif" not in SUFFIXES, reason="Pillow was built without AVIF")
def test_avif_is_read_upright_on_black_and_within_the_limit():
    picture = Image.fromarray(np.dstack([SMOOTH] * 3))
    data = saved(picture, "AVIF", quality=95)
    assert np.abs(decode_gray(data).astype(int) - SMOOTH).max() <= 6
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    turned = decode_gray(saved(picture, "AVIF", quality=95, exif=exif))
    assert np.abs(turned.astype(int) - np.rot90(SMOOTH, -1)).max() <= 6
    half = np.full(SMOOTH.shape, 255, np.uint8)
    half[:, :32] = 0
    clear = decode_gray(saved(Image.fromarray(np.dstack([SMOOTH] * 3 + [half])), "AVIF", quality=95))
    assert clear[:, :30].max() == 0 and np.abs(clear[:, 34:].astype(int) - SMOOTH[:, 34:]).max() <= 6
    with pytest.raises(ImageError, match="over the limit"):
        decode_gray(data, max_pixels=SMOOTH.size - 1)
    for end in (40, len(data) // 2):
        with pytest.raises(ImageError, match=r"AVIF file cannot be decoded: (?!.*0x)"):
            decode_gray(data[:end])


def test_heic_is_read_where_its_plugin_is_there():
    heif = pytest.importorskip("pillow_heif")
    content = io.BytesIO()
    heif.from_pillow(Image.fromarray(np.dstack([SMOOTH] * 3))).save(content, quality=95)
    assert np.abs(decode_gray(content.getvalue()).astype(int) - SMOOTH).max() <= 8


@pytest.mark.parametrize("space", ["MONOCHROME2", "MONOCHROME1"])
def test_dicom_is_read_by_its_bits_stored(space: str):
    pydicom = pytest.importorskip("pydicom")
    levels = SMOOTH.astype(np.uint16) * 16 + 15
    file = pydicom.dataset.FileDataset("x.dcm", {}, preamble=bytes(128), file_meta=pydicom.dataset.FileMetaDataset())
    file.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    file.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid(entropy_srcs=["x"])
    file.Rows, file.Columns = levels.shape
    file.SamplesPerPixel, file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 1, 16, 12, 11, 0
    file.PhotometricInterpretation, file.PixelData = space, levels.tobytes()
    content = io.BytesIO()
    pydicom.dcmwrite(content, file, enforce_file_format=True)
    expected = 255 - SMOOTH if space == "MONOCHROME1" else SMOOTH
    assert np.abs(decode_gray(content.getvalue()).astype(int) - expected).max() <= 1
    with pytest.raises(ImageError, match="over the limit"):
        decode_gray(content.getvalue(), max_pixels=100)


def test_fields_that_are_stated_twice_are_refused():
    for tag in (256, 257, 258, 277):
        refused(tiff(SMOOTH, (tag, 4, 8)), "twice")
        refused(tiff(SMOOTH, (tag, 4, 8), big=True), "twice")
    refused(tiff(np.zeros((64, 64), np.uint8), (322, 4, 32000), (323, 4, 32000)), "tile of 1024000000")


def test_offsets_beyond_the_file_are_refused():
    big = bytearray(tiff(SMOOTH, big=True))
    big[8:16] = b"\xff" * 8
    with pytest.raises(ImageError, match="breaks off"):
        decode_gray(bytes(big))
    jp2 = bytes(cv2.imencode(".jp2", SMOOTH)[1])
    with pytest.raises(ImageError, match=r"breaks off|damaged|no code stream"):
        decode_gray(jp2[:12] + struct.pack(">I4sQ", 1, b"free", (1 << 64) - 1) + jp2[12:])


def test_headers_that_cost_time_are_read_at_once_or_refused():
    jpeg = bytes(cv2.imencode(".jpg", SMOOTH)[1])
    assert decode_gray(jpeg[:2] + b"\xff" * 1000 + jpeg[2:]).shape == SMOOTH.shape
    with pytest.raises(ImageError, match="breaks off"):  # a step for each byte would take seconds
        decode_gray(jpeg[:2] + b"\xff" * 50_000_000)
    png = bytes(cv2.imencode(".png", SMOOTH)[1])
    chunk = b"\0\0\0\1tEXta" + zlib.crc32(b"tEXta").to_bytes(4, "big")
    with pytest.raises(ImageError, match="100000 chunks"):
        decode_gray(png[:33] + chunk * 100_000 + png[33:])


def test_an_earlier_false_code_stream_does_not_count():
    jp2 = bytes(cv2.imencode(".jp2", SMOOTH, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])[1])
    false = b"\xff\x4f\xff\x51" + struct.pack(">HHIIII", 41, 0, 8, 8, 0, 0)
    at = 12 + struct.unpack(">I", jp2[12:16])[0]
    for kind in (b"uuid", b"free", b"xml "):
        box = struct.pack(">I4s", 8 + len(false), kind) + false
        data = jp2[:at] + box + jp2[at:]
        np.testing.assert_array_equal(decode_gray(data), decode_gray(jp2))
        with pytest.raises(ImageError, match="limit"):
            decode_gray(data, max_pixels=SMOOTH.size - 1)


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


def test_opencv_is_bounded_itself():
    code = """
import sys
import irisstn, cv2
from irisstn.image_decoding import decode
from irisstn.image_headers import Header
try:
    decode(b"P4\\n16384 16384\\n" + bytes(1 << 25), Header("PNM", 64, 64))
except irisstn.ImageError as error:
    sys.exit("cannot be decoded" not in str(error) and "damaged" not in str(error))
sys.exit("decoded")
"""
    environment = {name: value for name, value in os.environ.items() if name != "OPENCV_IO_MAX_IMAGE_PIXELS"}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False, stderr=subprocess.DEVNULL).returncode
        == 0
    )
