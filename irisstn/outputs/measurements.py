"""Records of segmented pictures as rows of a table: one for each picture, also for those that failed."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from typing import Any

from irisstn.gaze import measure_gaze
from irisstn.geometry import Ellipse
from irisstn.outputs.records import FIGURE_FIELDS, Record, is_number, texts_of
from irisstn.quality import RECOMMENDED
from irisstn.quality_score import SCORE

# Names of BIQT's provider BIQTIris for what has the same definition here: figures of ISO/IEC 29794-6, and lengths.
BIQT = {
    "iso_usable_iris_area": "quality.usable_iris_area",
    "iso_iris_sclera_contrast": "quality.iris_sclera_contrast",
    "iso_iris_pupil_contrast": "quality.iris_pupil_contrast",
    "iso_pupil_boundary_circularity": "quality.pupil_boundary_circularity",
    "iso_greyscale_utilization": "quality.gray_scale_utilisation",
    "iso_iris_pupil_ratio": "quality.pupil_iris_ratio",
    "iso_iris_pupil_concentricity": "quality.iris_pupil_concentricity",
    "iso_margin_adequacy": "quality.margin_adequacy",
    "iso_sharpness": "quality.sharpness",
    "image_width": "width",
    "image_height": "height",
    "iris_center_x": "iris_x",
    "iris_center_y": "iris_y",
    "iris_diameter": "iris_diameter",
    "pupil_center_x": "pupil_x",
    "pupil_center_y": "pupil_y",
    "pupil_diameter": "pupil_diameter",
}
_PLAIN = (*FIGURE_FIELDS, "eyes_seen", "camera_turned_deg")
COLUMNS = (
    *("path", "status", "stage", "reason", "input", "width", "height"),
    *("pupil_x", "pupil_y", "pupil_radius", "iris_x", "iris_y", "iris_radius", "pupil_iris_ratio"),
    *("roll_deg", "roll_sd_deg", "gaze_deg", "gaze_sd_deg", "gaze_axis_deg", "gaze_below_deg"),
    *(f"quality.{SCORE}", *(f"quality.{name}" for name in RECOMMENDED)),
    *(*_PLAIN, "outside_recommended", "warnings"),
    *BIQT,
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with which a formula begins, by OWASP's page on CSV injection
_FIRST_COLUMNS = ",".join((*COLUMNS[:7], "")).encode()


def measurements_of(record: Record) -> dict[str, str]:
    """The row of a record.

    Parameters
    ----------
    record : Record
        A record of a picture, of `segment`, `rectify` or `embed`.

    Returns
    -------
    dict of str to str
        A text for each of `COLUMNS`, "" where it is not known: the path as from `path_cell`, centres, radii and
        diameters in pixels (radius of the circle with the ellipse's area), `pupil_iris_ratio` of the radii (0..1), the
        roll of the head clockwise, as read off the eyelids, and its standard deviation in degrees, the figures of
        `irisstn.Quality` and what else the record says. `gaze_deg` is the angle between the optical axes of eye and
        camera, `gaze_axis_deg` its direction in the picture, clockwise from +x, or the opposite one; both empty where
        it cannot be told from 0: then it lies below `gaze_below_deg`, see `irisstn.gaze`.
    """
    fields: Mapping[str, Any] = record
    row: dict[str, object] = {name: fields.get(name) for name in ("path", "status", "stage", "reason", "input")}
    row |= {name: fields.get(name) for name in ("width", "height", *_PLAIN)}
    for part in ("pupil", "iris"):
        row |= _circle(part, fields.get(part))
    pupil, iris = row.get("pupil_diameter"), row.get("iris_diameter")
    row["pupil_iris_ratio"] = pupil / iris if is_number(pupil) and is_number(iris) else None
    rectification = fields.get("rectification")
    if isinstance(rectification, dict):
        for column, name in (("roll_deg", "roll_read_rad"), ("roll_sd_deg", "roll_sd_rad")):
            angle = rectification.get(name)
            row[column] = math.degrees(angle) if is_number(angle) else None
    row |= _gaze(fields)
    quality = fields.get("quality")
    if isinstance(quality, dict):
        row |= {f"quality.{name}": quality.get(name) for name in (SCORE, *RECOMMENDED)}
    row["outside_recommended"] = " ".join(texts_of(record, "outside_recommended"))
    row["warnings"] = "; ".join(texts_of(record, "warnings"))
    row |= {theirs: row.get(ours) for theirs, ours in BIQT.items()}
    return {name: _text(row.get(name)) for name in COLUMNS} | {"path": path_cell(record["path"])}


def measurements_csv(records: Iterable[Record]) -> str:
    """The table of `records` as CSV, with a line of names."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for record in records:
        if "variant_of" not in record:
            table.writerow(measurements_of(record))
    return text.getvalue()


def path_cell(path: str) -> str:
    """A path for a table that people open in a spreadsheet: `./` before one that would be a formula there.

    It is still the path of the same file, which an apostrophe would not leave.

    Examples
    --------
    >>> path_cell("=1+1.png"), path_cell("a/=1.png")
    ('./=1+1.png', 'a/=1.png')
    """
    return f"./{path}" if path.startswith(_FORMULA) else path


def is_measurements(data: bytes) -> bool:
    """Whether `data`, the first bytes of a file, are those of a table of `measurements_csv`, of any version."""
    return data.startswith(_FIRST_COLUMNS)


def _circle(part: str, ellipse: object) -> dict[str, object]:
    """Centre, radius and diameter of the ellipse of the `part` of an eye, where a record holds it."""
    if not isinstance(ellipse, dict):
        return {}
    x, y, a, b = (ellipse.get(name) for name in ("x", "y", "a", "b"))
    if not (is_number(x) and is_number(y) and is_number(a) and is_number(b) and a > 0 and b > 0):
        return {}
    radius = math.sqrt(a * b)
    return {f"{part}_x": x, f"{part}_y": y, f"{part}_radius": radius, f"{part}_diameter": 2 * radius}


def _gaze(fields: Mapping[str, Any]) -> dict[str, object]:
    """The columns of the gaze, for a photograph whose record states how sure its boundaries are."""
    if fields.get("input") != "eye":
        return {}
    parts = []
    for part in ("pupil", "iris"):
        held = fields.get(part)
        names = ("x", "y", "a", "b", "angle_rad", "sd_px")
        values = [value for name in names if isinstance(held, dict) and is_number(value := held.get(name))]
        if len(values) < len(names) or min(values[2:4]) <= 0:
            return {}
        parts.append((Ellipse(*values[:5]), values[5]))
    (pupil, pupil_sd_px), (limbus, limbus_sd_px) = parts
    gaze = measure_gaze(pupil, limbus, pupil_sd_px=pupil_sd_px, limbus_sd_px=limbus_sd_px)
    if gaze is None:
        return {}
    told = {"gaze_deg": gaze.angle_rad, "gaze_sd_deg": gaze.sd_rad, "gaze_axis_deg": gaze.axis_rad}
    degrees = {name: math.degrees(value) for name, value in told.items() if value is not None}
    return {**degrees, "gaze_below_deg": math.degrees(gaze.below_rad)}


def _text(value: object) -> str:
    if is_number(value):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    return "" if value is None else str(value)
