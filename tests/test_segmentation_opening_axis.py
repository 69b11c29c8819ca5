"""The axis of the opening between the eyelids, and what it adds to the roll that is read off the eyelids."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from builders import rendered_eye
from numpy.typing import NDArray

from irisstn.errors import DatasetError
from irisstn.geometry import Gray
from irisstn.images import to_gray
from irisstn.outputs.segmentation_fields import read_ring, segmentation_fields
from irisstn.rectification.rectifier import Rectifier
from irisstn.results import Segmentation
from irisstn.segmentation import SegmentationConfig, segment
from irisstn.segmentation.map_fitting import Disc
from irisstn.segmentation.opening_axis import opening_axis

IRIS = Disc(64, 48, 15)


def ellipse(*, turned_deg: float = 0.0, wide: float = 50.0, high: float = 25.0) -> NDArray[np.float32]:
    """The map of an opening around `IRIS`, with a soft edge."""
    y, x = np.mgrid[:96, :128]
    angle = math.radians(turned_deg)
    along = (x - IRIS.x) * math.cos(angle) + (y - IRIS.y) * math.sin(angle)
    across = (y - IRIS.y) * math.cos(angle) - (x - IRIS.x) * math.sin(angle)
    likely = 0.5 + 0.3 * high * (1 - np.hypot(along / wide, across / high))
    return np.asarray(np.clip(likely, 0, 1), np.float32)


@pytest.mark.parametrize("turned_deg", [-25, -3, 0, 12, 30])
def test_the_axis_turns_with_the_opening(turned_deg: float) -> None:
    found = opening_axis(ellipse(turned_deg=turned_deg), IRIS)
    assert found is not None and math.degrees(found) == pytest.approx(turned_deg, abs=0.3)


def test_another_opening_does_not_count() -> None:
    both = ellipse(turned_deg=10, wide=40, high=18)
    both[:12, 90:] = 1  # the other eye
    found = opening_axis(both, IRIS)
    assert found is not None and math.degrees(found) == pytest.approx(10, abs=0.3)


@pytest.mark.parametrize(
    "opening",
    [
        pytest.param(ellipse(wide=30, high=28), id="round"),
        pytest.param(np.ones((96, 128), np.float32), id="without an eyelid in sight"),
        pytest.param(np.zeros((96, 128), np.float32), id="none around the iris"),
    ],
)
def test_an_axis_that_cannot_be_told_is_none(opening: NDArray[np.float32]) -> None:
    assert opening_axis(opening, IRIS) is None


@pytest.fixture(scope="module")
def tilted() -> tuple[Gray, Segmentation]:
    image = to_gray(rendered_eye(702, [41, 2], "close-320x240", roll_rad=0.15).image)
    return image, segment(image)


def test_the_roll_that_is_read_is_halfway_between_eyelids_and_axis(tilted: tuple[Gray, Segmentation]) -> None:
    image, found = tilted
    assert found.opening_axis_rad is not None
    rectifier = Rectifier.load()

    def read(axis_rad: float | None) -> float:
        seen = replace(found, opening_axis_rad=axis_rad)
        return rectifier.rectify_eye(image, seen).parameters["roll_read_rad"]

    lids = read(None)
    at = np.array([read(lids + math.radians(deg)) for deg in (-10, 0, 10)])
    assert np.degrees(np.diff(at)) == pytest.approx([5, 5], abs=0.05)
    assert read(found.opening_axis_rad + math.pi) == pytest.approx(read(found.opening_axis_rad), abs=1e-6)
    assert read(lids + math.radians(60)) == lids, "an axis far from the eyelids is that of something else"


def test_the_axis_turns_back_with_a_sideways_picture(tilted: tuple[Gray, Segmentation]) -> None:
    image, found = tilted
    sideways = np.ascontiguousarray(np.rot90(image, -1))
    turned = segment(sideways, SegmentationConfig(turned="90"))
    assert turned.opening_axis_rad == pytest.approx((found.opening_axis_rad or 0) + math.pi / 2)
    rectifier = Rectifier.load()
    read = [rectifier.rectify_eye(*eye).parameters["roll_read_rad"] for eye in (tilted, (sideways, turned))]
    assert read[0] == pytest.approx(read[1], abs=1e-3)


def test_a_record_keeps_the_axis_and_may_lack_it(tilted: tuple[Gray, Segmentation]) -> None:
    _, found = tilted
    fields = {"path": "a.png", **segmentation_fields(found)}
    assert read_ring(json.dumps(fields)).opening_axis_rad == pytest.approx(found.opening_axis_rad, abs=1e-4)
    del fields["opening_axis_rad"]
    assert read_ring(json.dumps(fields)).opening_axis_rad is None, "records of boundaries from elsewhere have none"
    for wrong in ("0.1", True, [0.1]):
        with pytest.raises(DatasetError, match="opening_axis_rad"):
            read_ring(json.dumps(fields | {"opening_axis_rad": wrong}))
