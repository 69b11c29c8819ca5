"""The gaze that is read off how far pupil and limbus are from round."""

import math
from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from irisstn.gaze import Gaze, measure_gaze
from irisstn.geometry import Ellipse
from irisstn.outputs.measurements import measurements_of
from irisstn.outputs.records import Record
from irisstn.outputs.segmentation_fields import segmentation_fields
from irisstn.segmentation import segment
from irisstn.synthetic import CAMERAS, Identity, render, sample_capture


def row_of(gaze_deg: float, axis_deg: float, seed: int = 0) -> dict[str, str]:
    """The row of the table for a rendered eye that is turned by an angle in the direction `axis_deg`."""
    drawn = sample_capture(np.random.default_rng(seed), CAMERAS["vga-640x480"])
    angle, axis = math.radians(gaze_deg), math.radians(axis_deg)
    capture = replace(
        drawn, roll_rad=0, torsion_rad=0, gaze_x_rad=angle * math.cos(axis), gaze_y_rad=angle * math.sin(axis)
    )
    fields = segmentation_fields(segment(render(Identity.from_seed(seed), capture).image))
    return measurements_of(cast("Record", {"path": "a", "status": "ok", "input": "eye", **fields}))


@pytest.mark.parametrize("axis_deg", [0, 60])
def test_a_strong_gaze_is_told_with_its_axis(axis_deg: int):
    row = row_of(33, axis_deg)
    assert abs(float(row["gaze_deg"]) - 33) < 3 * float(row["gaze_sd_deg"]) < 10
    off = (float(row["gaze_axis_deg"]) - axis_deg + 90) % 180 - 90
    assert abs(off) < 8 and float(row["gaze_below_deg"]) > 33


def test_a_weak_gaze_is_not_told_but_bounded():
    row = row_of(4, 0)
    assert [row[f"gaze_{name}"] for name in ("deg", "sd_deg", "axis_deg")] == ["", "", ""]
    assert 15 < float(row["gaze_below_deg"]) < 30


def gaze(pupil: Ellipse, limbus: Ellipse, pupil_sd_px: float = 0.2) -> Gaze | None:
    return measure_gaze(pupil, limbus, pupil_sd_px=pupil_sd_px, limbus_sd_px=1.0)


def test_which_axis_is_named_first_does_not_matter_and_contradictions_tell_nothing():
    limbus, pupil = Ellipse(0, 0, 100, 96, 0.3), Ellipse(0, 0, 40, 36, 0.3)
    found = gaze(pupil, limbus)
    same = gaze(Ellipse(0, 0, 36, 40, 0.3 + math.pi / 2), Ellipse(0, 0, 96, 100, 0.3 - math.pi / 2))
    assert found is not None and same is not None and found.angle_rad is not None and found.axis_rad is not None
    assert same.angle_rad == pytest.approx(found.angle_rad) and same.sd_rad == pytest.approx(found.sd_rad)
    assert math.remainder(found.axis_rad - 0.3 - math.pi / 2, math.pi) == pytest.approx(0, abs=1e-9)
    assert gaze(pupil, replace(limbus, angle_rad=0.3 + math.pi / 2)) is None
    unsure = gaze(pupil, limbus, pupil_sd_px=4.0)
    assert unsure is not None and unsure.angle_rad is None and unsure.below_rad > found.angle_rad


def test_an_edge_that_a_reflection_moves_by_a_pixel_is_no_gaze():
    shapes = [Ellipse(0, 0, 11.6, 10.0, 0.29), Ellipse(0, 0, 42.0, 41.1, -0.16)]
    small = measure_gaze(*shapes, pupil_sd_px=0.07, limbus_sd_px=0.67)
    assert small is not None and small.angle_rad is None and small.below_rad > math.radians(20)
    large = [replace(shape, a=4 * shape.a, b=4 * shape.b) for shape in shapes]
    found = measure_gaze(*large, pupil_sd_px=0.07, limbus_sd_px=0.67)
    assert found is not None and found.angle_rad is not None


def test_only_photographs_with_known_uncertainty_have_one():
    ring = {"x": 9.0, "y": 9.0, "a": 40.0, "b": 30.0, "angle_rad": 0.0, "sd_px": 0.1}
    record: dict[str, object] = {"path": "a", "status": "ok", "input": "eye", "pupil": ring}
    record["iris"] = ring | {"a": 100.0, "b": 88.0}
    assert float(measurements_of(cast("Record", record))["gaze_deg"]) > 20
    for other in ({"input": "ring"}, {"pupil": {**ring, "sd_px": None}}, {"pupil": {**ring, "b": 0}}, {"iris": None}):
        row = measurements_of(cast("Record", {**record, **other}))
        assert not any(value for name, value in row.items() if name.startswith("gaze"))
