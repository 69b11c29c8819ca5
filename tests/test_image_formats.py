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
from picture_files import ALPHA, DEEP, ON_BLACK, SMOOTH, picture_of, refused, saved, tiff
from PIL import Image

from irisstn.errors import ImageError
from irisstn.images import SUFFIXES, decode_gray


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
