"""How other programs lay out their strips and masks, and the way from there to this project's convention and back.

The conventions of public programs are read off their source code: all sample row 0 at the pupil.

- `osiris`, OSIRIS v4.1 (`OsiProcessings::normalizeFromContour`, `convertPolarToCartesian`): y = y0 - r sin(t), so the
  columns run counterclockwise; masks are white where usable. A strip NAME_imno.bmp has the mask NAME_mano.bmp.
- `usit`, USIT (`mappolar2cart`, `ellipse2Cart`): y = y0 + r sin(t), so clockwise; masks are white where usable.
- `open-iris`, Worldcoin's open-iris (`LinearExtrapolation`, `LinearNormalization`): as USIT, begun at the eye's own
  orientation; its masks are true where usable, to be written as white.
- `masek`, Masek's `normaliseiris`: y = y0 - r sin(t), counterclockwise; its noise array is 1, or white, on noise. Its
  rays start at the pupil's centre, which shifts the outer angles where the pupil is not in the middle of the iris.

A constant shift of at most a column, between programs that sample a column in its middle and at its beginning, is left
as it is: it is the same in all strips of a program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Bool, Gray

Columns = Literal["clockwise", "counterclockwise"]
Start = Literal["right", "bottom", "left", "top"]
MaskPolarity = Literal["usable-white", "usable-black"]
ConventionName = Literal["irisstn", "osiris", "usit", "open-iris", "masek"]
Kind = TypeVar("Kind", bound=np.generic)

_QUARTERS: dict[Start, int] = {"right": 0, "bottom": 1, "left": 2, "top": 3}  # clockwise, as seen in the picture


@dataclass(frozen=True, slots=True)
class StripConvention:
    """The layout of a strip and of its mask; the default is that of `irisstn.geometry`.

    Attributes
    ----------
    columns : {"clockwise", "counterclockwise"}
        Direction in which the columns run around the pupil, as seen in the picture.
    start : {"right", "bottom", "left", "top"}
        Where in the picture column 0 lies.
    mask_polarity : {"usable-white", "usable-black"}
        What a mask's white and black mean.
    endings : tuple of str
        What the names of strips and of their masks end with, before the suffix, where that is fixed.

    Examples
    --------
    >>> CONVENTIONS["masek"].to_own(np.array([[0, 1, 2, 3]]))
    array([[3, 2, 1, 0]])
    >>> StripConvention(start="top").to_own(np.array([[0, 1, 2, 3]]))
    array([[1, 2, 3, 0]])
    """

    columns: Columns = "clockwise"
    start: Start = "right"
    mask_polarity: MaskPolarity = "usable-white"
    endings: tuple[str, str] = ("", "")

    def to_own(self, cells: NDArray[Kind]) -> NDArray[Kind]:
        """Rearrange the columns of a strip or mask (R, T) of this convention to those of `irisstn.geometry`."""
        turned = cells[:, ::-1] if self.columns == "counterclockwise" else cells
        return np.ascontiguousarray(np.roll(turned, self._shift(cells), axis=1))

    def from_own(self, cells: NDArray[Kind]) -> NDArray[Kind]:
        """Rearrange the columns of a strip or mask (R, T) of `irisstn.geometry` to this convention."""
        turned = np.roll(cells, -self._shift(cells), axis=1)
        return np.ascontiguousarray(turned[:, ::-1] if self.columns == "counterclockwise" else turned)

    def read_mask(self, mask: Gray) -> Bool:
        """Read a mask.

        Parameters
        ----------
        mask : ndarray of uint8, shape (R, T)
            A mask of this convention; white is above 127, or 1 in a mask that holds nothing but 0 and 1.

        Returns
        -------
        ndarray of bool, shape (R, T)
            True where usable, with the columns of `irisstn.geometry`.
        """
        white = mask == 1 if mask.max(initial=0) == 1 else mask > 127
        return self.to_own(white if self.mask_polarity == "usable-white" else ~white)

    def write_mask(self, usable: Bool) -> Gray:
        """The inverse of `read_mask`, of 0 and 255."""
        cells = self.from_own(usable)
        white = cells if self.mask_polarity == "usable-white" else ~cells
        return np.where(white, np.uint8(255), np.uint8(0))

    @property
    def is_own(self) -> bool:
        """Whether strips and masks are as in `irisstn.geometry`."""
        return (self.columns, self.start, self.mask_polarity) == ("clockwise", "right", "usable-white")

    def _shift(self, cells: NDArray[np.generic]) -> int:
        """Columns by which clockwise ones are moved so that they begin at the right."""
        columns: int = cells.shape[1]
        return round(_QUARTERS[self.start] * columns / 4)


CONVENTIONS: dict[ConventionName, StripConvention] = {
    "irisstn": StripConvention(),
    "osiris": StripConvention(columns="counterclockwise", endings=("_imno", "_mano")),
    "usit": StripConvention(),
    "open-iris": StripConvention(),
    "masek": StripConvention(columns="counterclockwise", mask_polarity="usable-black"),
}
