"""Names of the formats that people give and that are not read."""

from __future__ import annotations

# Offset, bytes there, name as it follows "the file is".
_SIGNATURES = (
    (128, b"DICM", "DICOM"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"8BPS", "Photoshop"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"P7\n", "PAM"),
    (0, b"PF\n", "PFM"),
    (0, b"Pf\n", "PFM"),
    (0, b"\0\0\x01\0", "an icon (ICO)"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x89HDF\r\n", "HDF5"),
    (0, b"%PDF-", "PDF"),
    (0, b"<svg", "SVG"),
    (0, b"<!DOCTYPE html", "a web page"),
    (0, b"<html", "a web page"),
    (0, b"version https://git-lfs", "a pointer to a Git LFS file"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "compressed by gzip"),
)
_AVIF = frozenset({b"avif", b"avis"})
_HEIC = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_TGA_FOOTER = b"TRUEVISION-XFILE.\0"


def unsupported_format(data: bytes) -> str | None:
    """The format of a file that is not read, as it follows "the file is"; None where it is not known."""
    if data[4:8] == b"ftyp":
        size = int.from_bytes(data[:4], "big")
        brands = {data[8:12], *(data[at : at + 4] for at in range(16, min(size, 256), 4))}
        return "AVIF" if brands & _AVIF else "HEIC" if brands & _HEIC else "a video (MP4)"
    if data.endswith(_TGA_FOOTER):
        return "TGA"
    return next((name for at, magic, name in _SIGNATURES if data[at : at + len(magic)] == magic), None)
