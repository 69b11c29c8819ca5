# mypy: disable-error-code="attr-defined, union-attr"
"""The adapter to open-iris, with its types as its source has them; .ci/open_iris.py runs it with the real package."""

import json
import math
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import open_iris_adapter as adapter
import pytest
from builders import random_strip, rendered_eye
from click.testing import CliRunner

from irisstn.cli import cli
from irisstn.images import read_gray, write_png
from irisstn.outputs import read_manifest


def checked_strip(normalized_image: np.ndarray, normalized_mask: np.ndarray) -> SimpleNamespace:
    """`iris.NormalizedIris`: two dimensions, uint8, a binary mask of the same shape."""
    assert normalized_image.ndim == 2 and normalized_image.dtype == np.uint8
    assert normalized_mask.dtype == np.bool_ and normalized_mask.shape == normalized_image.shape
    return SimpleNamespace(normalized_image=normalized_image, normalized_mask=normalized_mask)


def checked_angle(angle: float) -> SimpleNamespace:
    """`iris.EyeOrientation`: -pi/2 included, pi/2 excluded."""
    assert -math.pi / 2 <= angle < math.pi / 2
    return SimpleNamespace(angle=angle)


@pytest.fixture(autouse=True)
def types(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("iris")
    module.NormalizedIris, module.EyeOrientation, module.EyeCenters = checked_strip, checked_angle, SimpleNamespace
    monkeypatch.setitem(sys.modules, "iris", module)


def test_records_of_rectify_become_its_types(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", rendered_eye(3).image)
    write_png(tmp_path / "blank.png", np.full((240, 320), 90, np.uint8))
    out = tmp_path / "out"
    words = ["rectify", str(tmp_path / "*.png"), "-o", str(out), "--size", "128x512", "--runtime", "onnx"]
    assert CliRunner().invoke(cli, [*words, "--workers", "1"]).exit_code == 3
    ((record,), (expected, failed)) = list(adapter.read_records(out)), list(read_manifest(out))
    assert failed["status"] == "failed" and record["path"] == expected["path"]
    strip = adapter.normalized_iris(out, record)
    assert np.array_equal(strip.normalized_image, read_gray(out / expected["strip"]))
    assert np.array_equal(strip.normalized_mask, read_gray(out / expected["strip_mask"]) == 255)
    assert 0.2 < strip.normalized_mask.mean() < 1
    centres = adapter.eye_centers(record)
    assert (centres.iris_x, centres.pupil_y) == (expected["iris"]["x"], expected["pupil"]["y"])
    assert adapter.eye_orientation(record).angle == pytest.approx(expected["rectification"]["roll_read_rad"])


def test_the_orientation_is_an_axis_and_may_be_unknown() -> None:
    assert adapter.eye_orientation({"path": "a"}) is None
    assert adapter.eye_orientation({"rectification": {"roll_read_rad": 2.0}}).angle == pytest.approx(2.0 - math.pi)
    assert adapter.eye_orientation({"rectification": {"roll_read_rad": math.pi / 2}}).angle == -math.pi / 2


def test_what_it_cannot_use_is_refused(tmp_path: Path) -> None:
    write_png(tmp_path / "small.png", random_strip(1).image)
    (tmp_path / "damaged.png").write_bytes(b"junk")
    for strip, words in (("small.png", "--size 128x512"), ("damaged.png", "damaged"), ("../a.png", "leads out")):
        record = {"path": "a", "strip": strip, "strip_mask": strip}
        with pytest.raises(ValueError, match=words):
            adapter.normalized_iris(tmp_path, record)
    lines = [
        {"path": "a", "status": "ok", "strip": "x"},
        {"path": "a", "status": "failed"},
        {"path": "b", "status": "ok"},
    ]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"path": "c')
    assert list(adapter.read_records(tmp_path)) == []
    words_given = [sys.executable, adapter.__file__, str(tmp_path / "none"), str(tmp_path / "templates")]
    done = subprocess.run(words_given, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1


def test_it_needs_nothing_of_this_project() -> None:
    source = Path(adapter.__file__).read_text(encoding="utf-8")
    assert "import iris as open_iris" in source and "import irisstn" not in source and "from irisstn" not in source
