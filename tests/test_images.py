# mypy: disable-error-code="arg-type"
import io
import os
import resource
import stat
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from irisstn.errors import ImageError
from irisstn.files import write_bytes_atomic
from irisstn.images import decode_gray, encode_jpeg, encode_png, read_gray, to_gray, write_png

SMOOTH = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8), (0, 0), 3)
LOSSLESS = [".png", ".bmp", ".tiff", ".pgm"]
COLOUR = [".png", ".jpg", ".bmp", ".tiff", ".ppm", ".webp", ".jp2", ".gif"]


def encoded(suffix: str, picture: np.ndarray, *options: int) -> bytes:
    return bytes(cv2.imencode(suffix, picture, options)[1])


def with_png_chunk(data: bytes, kind: bytes, content: bytes) -> bytes:
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return data[:33] + chunk + data[33:]


def exif(orientation: int) -> bytes:
    return b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x112, 3, 1, orientation, 0, 0)


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_gray_survives_lossless_formats(suffix: str):
    np.testing.assert_array_equal(decode_gray(encoded(suffix, SMOOTH)), SMOOTH)


@pytest.mark.parametrize(("suffix", "error"), [(".jpg", 4), (".webp", 4), (".jp2", 1), (".gif", 20)])
def test_other_formats_come_close(suffix: str, error: float):
    picture = cv2.cvtColor(SMOOTH, cv2.COLOR_GRAY2BGR)
    got = decode_gray(encoded(suffix, picture))
    assert got.shape == SMOOTH.shape
    assert np.abs(got.astype(int) - SMOOTH).mean() < error


def test_colour_gives_the_red_channel():
    blue_green_red = np.dstack([SMOOTH // 2, 255 - SMOOTH, SMOOTH])
    np.testing.assert_array_equal(decode_gray(encoded(".png", blue_green_red)), SMOOTH)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_deep_pictures_keep_the_bits_in_use(bits: int):
    deep = SMOOTH.astype(np.uint16) << (bits - 8)
    deep[0, 0] = (1 << bits) - 1
    for suffix in (".png", ".tiff"):
        got = decode_gray(encoded(suffix, deep))
        np.testing.assert_array_equal(got[1:], SMOOTH[1:])


def test_alpha_is_laid_on_black():
    picture = np.dstack([SMOOTH, SMOOTH, SMOOTH, np.full_like(SMOOTH, 255)])
    picture[:10, :, 3] = 0
    got = decode_gray(encoded(".png", picture))
    assert (got[:10] == 0).all()
    np.testing.assert_array_equal(got[10:], SMOOTH[10:])


@pytest.mark.parametrize(("orientation", "turned"), [(1, SMOOTH), (3, SMOOTH[::-1, ::-1]), (6, np.rot90(SMOOTH, -1))])
def test_exif_orientation_is_applied(orientation: int, turned: np.ndarray):
    png = with_png_chunk(encoded(".png", SMOOTH), b"eXIf", exif(orientation))
    np.testing.assert_array_equal(decode_gray(png), turned)
    jpeg = encoded(".jpg", SMOOTH)
    segment = b"Exif\0\0" + exif(orientation)
    jpeg = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]
    assert np.abs(decode_gray(jpeg).astype(int) - turned).mean() < 6


def test_palette_and_cmyk():
    image = pytest.importorskip("PIL.Image")  # comes with scikit-image; only to make the files
    buffer = io.BytesIO()
    image.fromarray(SMOOTH).convert("P").save(buffer, "PNG")
    assert np.abs(decode_gray(buffer.getvalue()).astype(int) - SMOOTH).mean() < 3
    buffer = io.BytesIO()
    image.fromarray(SMOOTH).convert("CMYK").save(buffer, "JPEG", quality=95)
    assert np.abs(decode_gray(buffer.getvalue()).astype(int) - SMOOTH).mean() < 6


@pytest.mark.parametrize(("suffix", "error"), [("gif", 20.0), ("png", 0.0), ("webp", 4.0), ("tiff", 0.0)])
def test_of_an_animation_or_many_pages_the_first_counts(suffix: str, error: float):
    image = pytest.importorskip("PIL.Image")  # comes with scikit-image; only to make the files
    frames = [image.fromarray(picture) for picture in (SMOOTH, 255 - SMOOTH, SMOOTH[::-1].copy())]
    buffer = io.BytesIO()
    frames[0].save(buffer, suffix.upper(), save_all=True, append_images=frames[1:])
    with image.open(io.BytesIO(buffer.getvalue())) as made:
        assert made.n_frames == 3
    got = decode_gray(buffer.getvalue())
    assert got.shape == SMOOTH.shape
    assert np.abs(got.astype(int) - SMOOTH).mean() <= error


def test_a_file_that_grows_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(SMOOTH))
    real = os.fstat

    def earlier(descriptor: int) -> os.stat_result:
        status = list(real(descriptor))
        status[stat.ST_SIZE] -= 5
        return os.stat_result(status)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", earlier)
        with pytest.raises(ImageError, match="grows"):
            read_gray(path)
    np.testing.assert_array_equal(read_gray(path), SMOOTH)


def test_not_a_picture(tmp_path: Path):
    text = tmp_path / "text.jpg"
    text.write_text("I am no picture.\n" * 10)
    with pytest.raises(ImageError, match="known format"):
        read_gray(text)
    (tmp_path / "empty.png").touch()
    with pytest.raises(ImageError, match="empty"):
        read_gray(tmp_path / "empty.png")
    with pytest.raises(ImageError, match="cannot be read"):
        read_gray(tmp_path / "none.png")
    with pytest.raises(ImageError, match=r"cannot be read|regular"):
        read_gray(tmp_path)


def test_a_fifo_does_not_hang(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="regular"):
        read_gray(tmp_path / "pipe.png")


@pytest.mark.parametrize("suffix", COLOUR)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_cut_short(suffix: str, share: float):
    data = encoded(suffix, cv2.cvtColor(SMOOTH, cv2.COLOR_GRAY2BGR))
    with pytest.raises(ImageError):
        decode_gray(data[: int(share * len(data))])


@pytest.mark.parametrize("suffix", COLOUR)
def test_the_limit_holds_for_every_format(suffix: str):
    data = encoded(suffix, cv2.cvtColor(SMOOTH, cv2.COLOR_GRAY2BGR))
    assert decode_gray(data, max_pixels=SMOOTH.size).shape == SMOOTH.shape
    with pytest.raises(ImageError, match="limit"):
        decode_gray(data, max_pixels=SMOOTH.size - 1)


def png_of(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_a_decompression_bomb_is_refused_by_its_header():
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    with pytest.raises(ImageError, match="30000x30000"):
        decode_gray(png_of((b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")))
    with pytest.raises(ImageError, match="a side"):
        decode_gray(encoded(".png", np.zeros((1, 40_000), np.uint8)))


def test_a_chunk_that_claims_gigabytes_is_refused_before_decoding():
    png = bytearray(encoded(".png", SMOOTH))
    at = png.index(b"IDAT") - 4
    png[at : at + 4] = struct.pack(">I", 0x7FFFFFFF)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError, match="damaged"):
        decode_gray(bytes(png))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@settings(max_examples=300, deadline=None)
@given(
    suffix=st.sampled_from(COLOUR),
    place=st.floats(0, 1),
    junk=st.binary(min_size=1, max_size=8),
)
def test_damaged_files_are_read_or_refused(suffix: str, place: float, junk: bytes):
    data = bytearray(encoded(suffix, cv2.cvtColor(SMOOTH, cv2.COLOR_GRAY2BGR)))
    at = int(place * (len(data) - len(junk)))
    data[at : at + len(junk)] = junk
    try:
        got = decode_gray(bytes(data), max_pixels=100_000)
    except ImageError:
        return
    assert got.dtype == np.uint8
    assert got.ndim == 2
    assert got.size <= 100_000


@given(st.binary(max_size=200))
def test_junk_is_refused(junk: bytes):
    with pytest.raises(ImageError):
        decode_gray(junk)


def test_to_gray_of_arrays():
    np.testing.assert_array_equal(to_gray(SMOOTH[..., None]), SMOOTH)
    np.testing.assert_array_equal(to_gray(SMOOTH > 100), np.where(SMOOTH > 100, 255, 0))
    np.testing.assert_array_equal(to_gray(SMOOTH / 255.0), SMOOTH)
    np.testing.assert_array_equal(to_gray(SMOOTH.astype(np.float32)), SMOOTH)
    np.testing.assert_array_equal(to_gray(SMOOTH.astype(np.int32)), SMOOTH)
    for bad in (np.full((3, 3), np.nan), np.full((3, 3), -1), np.full((3, 3), -0.5)):
        with pytest.raises(ImageError):
            to_gray(bad)
    for shape in ((3,), (2, 2, 2), (0, 4), (1, 2, 3, 4)):
        with pytest.raises(ValueError, match="picture"):
            to_gray(np.zeros(shape, np.uint8))


def test_png_bytes_are_read_back_and_repeatable(tmp_path: Path):
    mask = SMOOTH > 120
    write_png(tmp_path / "a/b/mask.png", mask)
    read = cv2.imread(str(tmp_path / "a/b/mask.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read, np.where(mask, 255, 0))
    assert encode_png(SMOOTH) == encode_png(SMOOTH.copy())
    np.testing.assert_array_equal(decode_gray(encode_png(SMOOTH)), SMOOTH)
    assert decode_gray(encode_jpeg(SMOOTH)).shape == SMOOTH.shape
    with pytest.raises(ValueError, match="uint8 or bool"):
        encode_png(SMOOTH.astype(np.float32))


@pytest.mark.parametrize("size", [(1, 1), (3, 8), (5, 9), (64, 512), (7, 15)])
def test_masks_are_read_back_by_every_reader(size: tuple[int, int]):
    random = np.random.default_rng(0).random(size)
    for mask in (random < 0.5, random < 2, random > 2, np.asfortranarray(random < 0.5)):
        data = encode_png(mask)
        expected = np.where(mask, 255, 0)
        np.testing.assert_array_equal(decode_gray(data), expected)
        np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), expected)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("L")), expected)
    with pytest.raises(ValueError, match="at least one pixel"):
        encode_png(np.zeros((0, 8), bool))


def test_a_failed_write_leaves_nothing(tmp_path: Path):
    target = tmp_path / "there"
    write_bytes_atomic(target, b"old")
    with pytest.raises(OSError, match="too long"):
        write_bytes_atomic(tmp_path / ("x" * 300), b"new")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_bytes_atomic(tmp_path / "folder", b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "there"]
    write_bytes_atomic(target, b"new")
    assert target.read_bytes() == b"new"
