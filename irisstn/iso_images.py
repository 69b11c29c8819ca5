"""Image kinds of ISO/IEC 19794-6:2011 and 39794-6: uncropped, VGA, cropped, and cropped and masked.

What is written here follows what is published of the standards, as in the reports of NIST's IREX: the margins of 0.6
iris radii at either side and 0.2 above and below, and the gray levels 200 for the sclera and 128 for the eyelids. The
standards' own texts may say more, and only pictures are made, no records of a standard.

Where a kind reaches beyond the picture, the picture's border pixels are repeated; `IsoImage.padded` says how much of
the image that is. In a masked image such a part of the iris is covered like an eyelid instead.

References
----------
.. [1] ISO/IEC 19794-6:2011; ISO/IEC 39794-6:2021, 6.2 to 6.5 and 7.3.14.
.. [2] Grother, Tabassi, Quinn, Salamon 2009, "IREX I: Performance of iris recognition algorithms on standard images",
   NISTIR 7629.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from irisstn.geometry import CropTransform, Gray, pixel_axes
from irisstn.gray_levels import require_gray
from irisstn.results import Segmentation

IsoKind = Literal["uncropped", "vga", "cropped", "masked"]
VGA_SIZE = (480, 640)
MARGINS = (0.2, 0.6)  # above and below, left and right; in iris radii
SCLERA, EYELID = 200, 128  # gray levels of a masked image
_SOFT = 0.03  # standard deviation of the transition outside the iris, in iris radii


@dataclass(frozen=True, slots=True, eq=False)
class IsoImage:
    """An image of one kind.

    Attributes
    ----------
    image : ndarray of uint8, shape (h, w)
        Its pixels.
    left, top : int
        Where its first pixel lies in the picture, in pixels; negative where it begins outside.
    padded : float
        Fraction of its pixels that lie outside the picture, 0..1.
    """

    image: Gray
    left: int
    top: int
    padded: float


def iso_image(image: Gray, segmentation: Segmentation, kind: IsoKind) -> IsoImage:
    """Make an image of one kind.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        The picture, as captured.
    segmentation : Segmentation
        Its segmentation.
    kind : {"uncropped", "vga", "cropped", "masked"}
        uncropped is the picture as it is; vga is 640 x 480 pixels around the centre of the iris, which is not scaled;
        cropped is the iris with its margins, its centre in the middle; masked is cropped, with all but the iris and the
        pupil filled with the gray levels of sclera and eyelids. The filling becomes soft towards the iris, whose own
        pixels, eyelashes and reflections included, are not changed. An eyelid that is not known is not masked.

    Returns
    -------
    IsoImage
        The image.

    Raises
    ------
    ValueError
        Where picture and segmentation do not fit, or for `vga` an iris that is larger than 640 x 480 pixels.
    """
    require_gray(image)
    if image.shape != segmentation.image_size:
        raise ValueError(f"the picture is {image.shape}, its segmentation {segmentation.image_size}")
    if kind == "uncropped":
        return IsoImage(image, 0, 0, 0.0)
    limbus = segmentation.limbus
    x, y, radius = math.floor(limbus.x + 0.5), math.floor(limbus.y + 0.5), limbus.mean_radius
    if kind == "vga":
        if not fits_vga(segmentation):
            raise ValueError(f"an iris of {2 * radius:.0f} pixels does not fit 640 x 480")
        return _cut(image, x - VGA_SIZE[1] // 2, y - VGA_SIZE[0] // 2, VGA_SIZE)
    down, along = (math.ceil((1 + margin) * radius) for margin in MARGINS)
    cropped = _cut(image, x - along, y - down, (2 * down + 1, 2 * along + 1))
    return cropped if kind == "cropped" else _masked(cropped, image.shape, segmentation)


def fits_vga(segmentation: Segmentation) -> bool:
    """Whether the iris is small enough for the kind `vga`."""
    return 2 * segmentation.limbus.mean_radius <= min(VGA_SIZE)


def _cut(image: Gray, left: int, top: int, size: tuple[int, int]) -> IsoImage:
    """`size` (h, w) pixels from (left, top) on, with the picture's border repeated beyond it."""
    height, width = image.shape
    rows, columns = (np.arange(start, start + count) for start, count in ((top, size[0]), (left, size[1])))
    cut = image[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)[None, :]]
    inside = ((rows >= 0) & (rows < height)).mean() * ((columns >= 0) & (columns < width)).mean()
    return IsoImage(cut, left, top, float(1 - inside))


def _masked(cropped: IsoImage, image_size: tuple[int, ...], segmentation: Segmentation) -> IsoImage:
    """A cropped image with sclera and eyelids filled."""
    transform = CropTransform(left=cropped.left, top=cropped.top)
    size = (int(cropped.image.shape[0]), int(cropped.image.shape[1]))
    iris = transform.boundary_to_crop(segmentation.limbus).mask(size)
    x, y = (axis + start for axis, start in zip(pixel_axes(size), (cropped.left, cropped.top), strict=True))
    covered = (x < 0) | (y < 0) | (x >= image_size[1]) | (y >= image_size[0])
    covered &= iris
    if segmentation.upper_lid is not None:
        covered |= transform.eyelid_to_crop(segmentation.upper_lid).above(size)
    if segmentation.lower_lid is not None:
        covered |= ~transform.eyelid_to_crop(segmentation.lower_lid).above(size)
    kept = iris & ~covered
    filled = np.where(kept, cropped.image, np.where(covered, EYELID, SCLERA)).astype(np.uint8)
    soft = cv2.GaussianBlur(filled, (0, 0), max(1.0, _SOFT * segmentation.limbus.mean_radius))
    return IsoImage(np.where(kept, cropped.image, soft).astype(np.uint8), cropped.left, cropped.top, cropped.padded)
