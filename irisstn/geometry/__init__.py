"""Ellipses, closed boundary curves and eyelids, and every coordinate convention of the project.

Convention
----------
- A point is (x, y) in pixels; x grows to the right, y grows downward; the centre of the first pixel is (0, 0).
  An image has the shape (H, W), a batch of tensors (B, C, H, W).
- An angle is in radians, 0 at +x (the right of the picture), growing towards +y: clockwise as seen in the picture.
- A strip has the shape (R, T). Row i is sampled at the radius (i + 0.5) / R between the pupil (0) and the limbus (1);
  column t at the angle 2 pi (t + 0.5) / T. So row 0 lies at the pupil, the last row at the limbus, column 0 at +x,
  and a cell of a strip of any size shows the same part of the ring.
- Ring coordinates are (radius, angle_rad) as above: the radius is 0 on the pupil's boundary and 1 on the limbus.
- A sampling grid is in units of its image, `align_corners=False` as in torch: x_unit = (2 x + 1) / W - 1, so that -1
  and 1 are the outer edges of the first and last pixel (`pixels_to_grid`). On a strip this is the same for every size:
  x_unit = angle_rad / pi - 1 and y_unit = 2 radius - 1 (`ring_to_grid`).
- A mask is True (255 on disk) where a pixel is usable.

The rubber sheet [1]_ maps the ring coordinates (r, t) to the point (1 - r) pupil(t) + r limbus(t), where pupil(t) and
limbus(t) are the points of the two boundaries at the angle t around their own centres.

References
----------
.. [1] Daugman 2004, "How iris recognition works", eq. 8-10.
"""

from irisstn.geometry.arrays import TAU, Bool, Float, Float32, Gray, median, quantiles
from irisstn.geometry.boundary import Boundary, even_directions, unit_directions
from irisstn.geometry.crop_transform import CropTransform
from irisstn.geometry.ellipse import Ellipse
from irisstn.geometry.eyelid import Eyelid, Eyelids, pixel_axes
from irisstn.geometry.fourier import fourier_basis, fourier_coefficients
from irisstn.geometry.recentring import radii_around, recentred
from irisstn.geometry.ring import (
    grid_to_pixels,
    grid_to_ring,
    pixels_to_grid,
    ring_mask,
    ring_places,
    ring_points,
    ring_to_grid,
    strip_angles,
    strip_radii,
)

__all__ = [
    "TAU",
    "Bool",
    "Boundary",
    "CropTransform",
    "Ellipse",
    "Eyelid",
    "Eyelids",
    "Float",
    "Float32",
    "Gray",
    "even_directions",
    "fourier_basis",
    "fourier_coefficients",
    "grid_to_pixels",
    "grid_to_ring",
    "median",
    "pixel_axes",
    "pixels_to_grid",
    "quantiles",
    "radii_around",
    "recentred",
    "ring_mask",
    "ring_places",
    "ring_points",
    "ring_to_grid",
    "strip_angles",
    "strip_radii",
    "unit_directions",
]
