"""Warnings about pictures that were segmented: in the record, the summary, the printed summary and the page."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import drawn_eye, make_segmentation, rendered_eye
from click.testing import CliRunner
from report_data import data_of_page

from irisstn.capture_warnings import CLIPPED, CUT_OFF, UNSURE, capture_warnings, clipped_fraction, outside_fraction
from irisstn.cli import cli
from irisstn.geometry import Boundary
from irisstn.images import write_png
from irisstn.outputs.manifest import read_manifest
from irisstn.report import write_report
from irisstn.results import Confidence

PUPIL, LIMBUS = Boundary.circle(160, 120, 30), Boundary.circle(160, 120, 80)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole eye, and the same cut through the iris."""
    eye = rendered_eye(3)
    x, radius = eye.truth.limbus.x, eye.truth.limbus.mean_radius
    folder = tmp_path_factory.mktemp("eyes")
    write_png(folder / "whole.png", np.pad(eye.image, 40, mode="edge"))
    write_png(folder / "half.png", np.ascontiguousarray(eye.image[:, : round(x + 0.5 * radius)]))
    return folder


def test_an_iris_that_is_cut_off_is_told_everywhere(folder: Path, tmp_path: Path):
    out = tmp_path / "out"
    for resumed in (False, True):
        result = CliRunner().invoke(cli, ["segment", str(folder), "-o", str(out), "--workers", "1"])
        assert result.exit_code == 0, result.output
        assert f"Warning: 1 x {CUT_OFF}" in result.output, resumed
        assert "ISO/IEC 29794-6 recommends: " in result.output and "margin_adequacy 1" in result.output
    records = {record["path"]: record for record in read_manifest(out)}
    assert records["half.png"]["warnings"] == [CUT_OFF] and records["whole.png"]["warnings"] == []
    assert "margin_adequacy" in records["half.png"]["outside_recommended"]
    assert "margin_adequacy" not in records["whole.png"]["outside_recommended"]
    page = (out / "report.html").read_text()
    assert f">1 × {CUT_OFF}</button>" in page
    data = data_of_page(out)
    (warned,) = [row for row in data["rows"] if "warnings" in row]
    assert warned["name"] == "half.png" and [data["warnings"][number] for number in warned["warnings"]] == [CUT_OFF]
    low, _ = data["recommended"]["margin_adequacy"]
    assert warned["values"][data["figures"].index("margin_adequacy")] < low
    result = CliRunner().invoke(cli, ["segment", str(folder), "-o", str(out), "--workers", "1", "--json"])
    counts = json.loads(result.stdout)
    assert counts["warnings"] == {CUT_OFF: 1} and counts["outside_recommended"]["margin_adequacy"] == 1


def test_clipped_pixels_of_the_iris_are_counted():
    image = drawn_eye(PUPIL, LIMBUS, (240, 320))  # the pupil and the skin do not count
    image[:3] = 255
    segmentation = make_segmentation(PUPIL, LIMBUS, image.shape)
    assert clipped_fraction(image, segmentation) == 0
    iris = np.argwhere(segmentation.iris_mask)
    image[tuple(iris[: len(iris) // 10].T)] = 0
    image[tuple(iris[-len(iris) // 10 :].T)] = 255
    clipped = clipped_fraction(image, segmentation)
    assert clipped == pytest.approx(0.2, abs=1e-3)
    assert capture_warnings(segmentation, clipped) == [CLIPPED] and capture_warnings(segmentation, 0.0) == []


def test_a_little_trusted_segmentation_carries_a_warning():
    segmentation = make_segmentation(PUPIL, LIMBUS, (240, 320))
    for trust, expected in ((0.84, [UNSURE]), (0.86, [])):
        assert capture_warnings(replace(segmentation, confidence=Confidence(trust, 1.0, 1.0)), 0.0) == expected


@pytest.mark.parametrize(("x", "expected"), [(160, 0.0), (80, 0.0), (-0.5, 0.5), (-200, 1.0)])
def test_the_part_of_the_ring_outside_the_picture_is_measured(x: float, expected: float):
    ring = Boundary.circle(x, 120, 30), Boundary.circle(x, 120, 80)
    assert outside_fraction(make_segmentation(*ring, (240, 320))) == pytest.approx(expected, abs=0.01)


def test_nothing_visible_is_not_clipped():
    image = np.zeros((240, 320), np.uint8)
    covered = make_segmentation(PUPIL, PUPIL, (240, 320))
    assert clipped_fraction(image, covered) == 0


def test_a_list_of_warnings_that_was_edited_does_no_harm(tmp_path: Path):
    wrong = [5, ["<script>"], {"a": 1}, "<b>x</b>"]
    records = [{"path": f"{i}.png", "status": "ok", "warnings": value} for i, value in enumerate(["x", 3, None, wrong])]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    page = write_report(tmp_path).read_text()
    assert ">1 × &lt;b&gt;x&lt;/b&gt;</button>" in page and "<b>x" not in page
    assert data_of_page(tmp_path)["warnings"] == ["<b>x</b>"]
