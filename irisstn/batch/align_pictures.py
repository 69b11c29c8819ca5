"""Find the angle by which the eye in one picture is turned against that in another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from irisstn.batch.compare_pictures import STRIP_DOUBT, named_doubts
from irisstn.batch.jobs.input_kind import read_picture_as
from irisstn.batch.jobs.job import JobInput
from irisstn.errors import IrisError
from irisstn.geometry import Gray
from irisstn.images import MAX_PIXELS, decode_gray, read_file
from irisstn.iris_code import encode
from irisstn.networks import RuntimeChoice, chosen_runtime, load_rectifier, require_runtime
from irisstn.normalization import DEFAULT_SIZE
from irisstn.quality import measure_quality
from irisstn.recognition.comparison import Comparison, compare_codes, quality_doubts
from irisstn.rectification.alignment import roll_sd
from irisstn.rectification.rectifier_methods import RectifierMethods
from irisstn.results import Segmentation, Strip
from irisstn.segmentation import InputKind, SegmentationConfig

_GAP, _GRAY = 4, 128  # between two strips of a picture: rows, and their gray level


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """The result of aligning the eye of a picture B with that of a picture A.

    Attributes
    ----------
    roll_deg : float
        The angle by which B is turned clockwise against A, as seen in the pictures, in degrees.
    sd_deg : float
        Its standard deviation in degrees.
    limit_deg : float
        The largest angle that was searched, to either side.
    at_limit : bool
        Whether `roll_deg` reached the limit, so that the eyes may be turned by more.
    comparison : Comparison
        Of the iris codes at this angle. `decision` is "match" where B fits A.
    a, b, aligned : Strip
        The rectified strips of A and B, their rolls not corrected, and that of B turned onto A; (64, 512) each.
    """

    roll_deg: float
    sd_deg: float
    limit_deg: float
    at_limit: bool
    comparison: Comparison
    a: Strip
    b: Strip
    aligned: Strip

    @property
    def decision(self) -> str:
        """The decision of the comparison; never "match" at the limit, where the best angle may lie beyond."""
        return "no match" if self.at_limit and self.comparison.decision == "match" else self.comparison.decision

    def as_dict(self) -> dict[str, object]:
        """The numbers and the decision, for JSON."""
        found: dict[str, object] = {
            "roll_deg": round(self.roll_deg, 3),
            "sd_deg": round(self.sd_deg, 3),
            "limit_deg": self.limit_deg,
            "at_limit": self.at_limit,
        }
        return found | self.comparison.as_dict() | {"decision": self.decision}

    def picture(self) -> NDArray[np.uint8]:
        """The strips of A, of B and of B turned onto A, from top to bottom, (200, 512) gray."""
        gap = np.full((_GAP, self.a.image.shape[1]), _GRAY, np.uint8)
        return np.concatenate([self.a.image, gap, self.b.image, gap, self.aligned.image])


@dataclass(frozen=True, slots=True)
class _Read:
    """What a picture shows, and what speaks against trusting it."""

    image: Gray
    shown: Segmentation | Strip
    doubts: tuple[str, ...]


def align_pictures(
    a: Path,
    b: Path,
    *,
    kind: InputKind = "auto",
    model: Path | None = None,
    runtime: RuntimeChoice = "auto",
    config: SegmentationConfig = SegmentationConfig(),
) -> Alignment:
    """Find the angle by which the eye of picture B is turned against that of A.

    Both are rectified without a correction of the roll; then the roll is searched at which their iris codes agree
    best. A picture that a camera on its side took is first turned upright, which is not part of the angle.

    Parameters
    ----------
    a, b : Path
        Pictures of eyes, iris rings or strips.
    kind : {"auto", "eye", "ring", "strip"}
        What the pictures show.
    model : Path, optional
        The rectifier, as in `irisstn.networks.rectifier_file`.
    runtime : {"auto", "torch", "onnx"}
        What runs it, see `irisstn.networks.chosen_runtime`.
    config : SegmentationConfig
        Settings of the segmentation.

    Returns
    -------
    Alignment
        The angle, its standard deviation, and whether the pictures fit.

    Raises
    ------
    IrisError
        Where a picture cannot be read or shows no iris; the reason begins with its path.
    WeightsError
        Where the weights cannot be read.
    MissingExtraError
        Where the runtime is not installed.
    """
    chosen = chosen_runtime(runtime, model)
    require_runtime(chosen, "irisstn align")
    rectifier = load_rectifier(model, chosen).with_roll("none")
    first, second = (_read(path, kind, config) for path in (a, b))
    reference, probe = _rectified(rectifier, first), _rectified(rectifier, second)
    if isinstance(second.shown, Strip):
        aligned = rectifier.align(second.shown, reference, size=DEFAULT_SIZE)
    else:
        aligned = rectifier.align_eye(second.image, second.shown, reference)
    limit = rectifier.config.max_roll_deg
    doubts = named_doubts((a, first.doubts), (b, second.doubts))
    return Alignment(
        roll_deg=math.degrees(aligned.parameters["roll_rad"]),
        sd_deg=math.degrees(roll_sd(probe, reference, max_roll_deg=limit)),
        limit_deg=limit,
        at_limit=bool(aligned.parameters["roll_at_limit"]),
        comparison=compare_codes(encode(aligned.strip), encode(reference), max_shift=0, doubts=doubts),
        a=reference,
        b=probe,
        aligned=aligned.strip,
    )


def is_alignment_picture(data: bytes) -> bool:
    """Whether `data`, the content of a file, is that of an `Alignment.picture`: three strips with gaps between."""
    try:
        picture = decode_gray(data)
    except IrisError:
        return False
    rows, columns = DEFAULT_SIZE
    if picture.shape != (3 * rows + 2 * _GAP, columns):
        return False
    return all((picture[top : top + _GAP] == _GRAY).all() for top in (rows, 2 * rows + _GAP))


def _read(path: Path, kind: InputKind, config: SegmentationConfig) -> _Read:
    """Read and segment a picture. Raises IrisError, its reason with the path."""
    try:
        data = read_file(path)
        image = decode_gray(data)
        shown, _ = read_picture_as(JobInput(path.name, data), image, kind, config, max_pixels=MAX_PIXELS)
    except IrisError as error:
        raise IrisError(f"{path}: {error.reason}", stage=error.stage) from None
    if isinstance(shown, Strip):
        return _Read(image, shown, (STRIP_DOUBT,))
    return _Read(image, shown, quality_doubts(measure_quality(image, shown), shown.confidence))


def _rectified(rectifier: RectifierMethods[Any], read: _Read) -> Strip:
    if isinstance(read.shown, Strip):
        return rectifier.rectify_strip(read.shown, size=DEFAULT_SIZE).strip
    return rectifier.rectify_eye(read.image, read.shown).strip
