# mypy: disable-error-code="arg-type, typeddict-unknown-key"
"""Output folders: records, settings, reading back, and the error rates of the strips."""

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from irisstn.datasets import Label
from irisstn.errors import DatasetError, OutputError
from irisstn.evaluation import evaluate_folder, read_templates
from irisstn.geometry import Boundary, Ellipse, Eyelid
from irisstn.outputs.manifest import read_manifest
from irisstn.outputs.reader import read_embedding, read_picture, read_segmentation, read_strip
from irisstn.outputs.records import pupil_ratio
from irisstn.outputs.segmentation_fields import read_segmentation_fields, segmentation_fields
from irisstn.outputs.settings import read_settings, require_same_settings, with_digest
from irisstn.results import Segmentation

SIZE = (32, 256)


def texture(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=SIZE).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.clip(128 + 300 * smooth, 0, 255).astype(np.uint8)


def write(out: Path, names: dict[str, np.ndarray | None]) -> Path:
    out.mkdir(exist_ok=True)
    lines = []
    for name, image in names.items():
        record = {"path": name, "status": "failed", "stage": "segment", "reason": "no pupil"}
        if image is not None:
            files = {"strip": image, "strip_mask": np.full(SIZE, 255, np.uint8)}
            for kind, picture in files.items():
                path = out / f"{kind}s" / f"{name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), picture)
            record = {"path": name, "status": "ok"} | {kind: f"{kind}s/{name}.png" for kind in files}
        lines.append(json.dumps(record))
    (out / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return out


def captures(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1000 + seed)
    base = texture(seed).astype(int)
    return [np.clip(base + rng.normal(0, 8, SIZE), 0, 255).astype(np.uint8) for _ in range(3)]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    names = {f"{s:03d}/L/{s:03d}L{k:02d}.png": image for s in range(1, 6) for k, image in enumerate(captures(s))}
    return write(tmp_path / "out", names)


def test_strips_come_back_as_written(out: Path) -> None:
    records = list(read_manifest(out))
    assert len(records) == 15
    assert [record["path"] for record in records] == sorted(str(record["path"]) for record in records)
    strip = read_strip(out, records[0])
    np.testing.assert_array_equal(strip.image, captures(1)[0])
    assert strip.usable.all()


def test_the_last_line_of_an_input_counts(out: Path) -> None:
    with (out / "manifest.jsonl").open("a") as file:
        file.write(json.dumps({"path": "001/L/001L00.png", "status": "failed"}) + "\n")
    records = list(read_manifest(out))
    assert len(records) == 15
    assert records[0]["status"] == "failed"


def test_an_incomplete_last_line_is_skipped(out: Path) -> None:
    with (out / "manifest.jsonl").open("a") as file:
        file.write('{"path": "001/L/001L00.png", "stat')
    records = list(read_manifest(out))
    assert len(records) == 15
    assert records[0]["status"] == "ok"


def test_mated_captures_match_and_non_mated_ones_do_not(out: Path) -> None:
    rates = evaluate_folder(out, resamples=50)
    assert rates.mated == 5 * 3
    assert rates.non_mated == 15 * 14 // 2 - 15
    assert rates.subjects == 5
    assert rates.eer.value == 0
    assert rates.d_prime > 3


def test_a_failure_to_enrol_counts_as_rejected(tmp_path: Path) -> None:
    names: dict[str, np.ndarray | None] = {
        f"{s:03d}/L/{s:03d}L{k:02d}.png": image for s in range(1, 6) for k, image in enumerate(captures(s))
    }
    names["001/L/001L00.png"] = None
    out = write(tmp_path / "out", names)
    templates = read_templates(out)
    assert len(templates.codes) == len(templates.names) == 14
    assert templates.failed == {"001/L/001L00.png": Label("001", "L")}
    rates = evaluate_folder(out, resamples=50)
    assert rates.mated == 15
    assert rates.fnmr_at[1e-2].value == pytest.approx(2 / 15)
    assert rates.failure_to_enrol == pytest.approx(1 / 15)


def test_labels_can_be_given_and_variants_are_not_samples(tmp_path: Path) -> None:
    out = write(tmp_path / "out", {"a.png": captures(1)[0], "b.png": captures(1)[1], "c.png": captures(2)[0]})
    with pytest.raises(DatasetError, match="whose eye"):
        evaluate_folder(out)
    with (out / "manifest.jsonl").open("a") as file:
        file.write(json.dumps({"path": "a.png.v1", "variant_of": "a.png", "status": "ok"}) + "\n")
    labels = {"a.png": Label("x"), "b.png": Label("x"), "c.png": Label("y")}
    assert read_templates(out, labels=labels).labels == (Label("x"), Label("x"), Label("y"))


def test_errors_name_the_folder_and_the_file(tmp_path: Path, out: Path) -> None:
    assert list(read_manifest(tmp_path)) == []
    with pytest.raises(DatasetError, match="nothing to compare"):
        read_templates(tmp_path)
    record = next(read_manifest(out))
    with pytest.raises(DatasetError, match="out of its folder"):
        read_strip(out, record | {"strip": "../../secret.png"})
    with pytest.raises(DatasetError, match="missing or damaged"):
        read_strip(out, record | {"strip": "strips/none.png"})
    with pytest.raises(DatasetError, match="its mask"):
        cv2.imwrite(str(out / "small.png"), np.zeros((3, 3), np.uint8))
        read_strip(out, record | {"strip_mask": "small.png"})
    with pytest.raises(DatasetError, match="nothing to compare: all its inputs failed, 1 of 1"):
        read_templates(write(tmp_path / "none", {"001/L/001L01.png": None}))


@pytest.fixture
def segmentation() -> Segmentation:
    mask = np.zeros((40, 60), bool)
    mask[10:30, 20:40] = True
    return Segmentation(
        pupil=Boundary.from_ellipse(Ellipse(30.123456, 20.0, 5.0, 4.5, 0.3)),
        limbus=Boundary.from_ellipse(Ellipse(30.5, 20.25, 12.0, 11.0)),
        upper_lid=Eyelid(30.0, 12.0, 0.01, (1.0, -0.123456, 0.000123456)),
        lower_lid=None,
        iris_mask=mask,
        usable=mask & (np.arange(60) > 22),
    )


@pytest.mark.parametrize(("decimals", "tolerance"), [(4, 1e-3), (None, 0.0)])
def test_a_segmentation_comes_back_from_its_fields(
    segmentation: Segmentation, decimals: int | None, tolerance: float
) -> None:
    fields = json.loads(json.dumps(segmentation_fields(segmentation, decimals=decimals)))
    again = read_segmentation_fields(fields, iris_mask=segmentation.iris_mask, usable=segmentation.usable)
    angles = np.linspace(0, 6, 30)
    for got, given in ((again.pupil, segmentation.pupil), (again.limbus, segmentation.limbus)):
        np.testing.assert_allclose(got.points(angles), given.points(angles), rtol=0, atol=tolerance)
    assert again.lower_lid is None
    assert again.upper_lid is not None and segmentation.upper_lid is not None
    along = np.linspace(-20, 20, 9)
    np.testing.assert_allclose(again.upper_lid.points(along), segmentation.upper_lid.points(along), atol=2e-3)
    assert pupil_ratio(fields) == pytest.approx(np.sqrt(5 * 4.5 / (12 * 11)), rel=1e-3)


def test_numbers_in_a_record_are_rounded_and_have_no_negative_zero(segmentation: Segmentation) -> None:
    fields = segmentation_fields(segmentation)
    assert fields["eyelids"]["upper"] == {
        "x": 30.0,
        "y": 12.0,
        "angle_rad": 0.01,
        "coefficients": [1.0, -0.123456, 0.00012346],
    }
    assert fields["pupil"]["x"] == 30.1235
    assert fields["pupil"]["curve"]["sines"][0] == 0 and "-0.0," not in json.dumps(fields)


@pytest.mark.parametrize("damage", ["no pupil", "a text for a number", "a short parabola", "no eyelids", "no ring"])
def test_a_damaged_record_of_a_ring_is_refused(segmentation: Segmentation, damage: str) -> None:
    fields = json.loads(json.dumps(segmentation_fields(segmentation)))
    if damage == "no pupil":
        del fields["pupil"]
    elif damage == "a text for a number":
        fields["iris"]["curve"]["x"] = "left"
    elif damage == "a short parabola":
        fields["eyelids"]["upper"]["coefficients"] = [1.0, 2.0]
    elif damage == "no eyelids":
        fields["eyelids"] = None
    else:
        fields["pupil"]["curve"]["cosines"] = []
    with pytest.raises(DatasetError, match="holds no iris ring"):
        read_segmentation_fields(fields, iris_mask=segmentation.iris_mask, usable=segmentation.usable)


def test_a_record_without_masks_holds_no_segmentation(out: Path) -> None:
    with pytest.raises(DatasetError, match="names no masks"):
        read_segmentation(out, next(read_manifest(out)))


def test_files_that_a_record_names_are_read_within_limits(out: Path) -> None:
    cv2.imwrite(str(out / "large.png"), np.zeros((8000, 4001), np.uint8))
    with pytest.raises(DatasetError, match="over the limit"):
        read_picture(out, "large.png")
    (out / "cut.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DatasetError, match="missing or damaged"):
        read_embedding(out, {"path": "a", "embedding": "cut.npy"})
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2000000000000,), }".ljust(117) + b"\n"
    (out / "liar.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00" + text + bytes(32))
    np.save(out / "text.npy", np.array(["a", "b"]))
    np.save(out / "huge.npy", np.full(8, 1e300))
    np.save(out / "nan.npy", np.full(8, np.nan))
    np.save(out / "zero.npy", np.zeros(8))
    (out / "pickle.npy").write_bytes(pickle.dumps([1.0]))
    for name in ("liar", "text", "huge", "nan", "zero", "pickle"):
        with pytest.raises(DatasetError, match=f"{name}.npy (is missing or damaged|holds no embedding)") as error:
            read_embedding(out, {"path": "a", "embedding": f"{name}.npy"})
        assert "allow_pickle" not in str(error.value)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"pupil": {"a": 4.0, "b": 4.0}}, None),
        ({"pupil": {"a": 4.0, "b": 4.0}, "iris": {"a": 8.0, "b": 0.0}}, None),
        ({"pupil": {"a": 4.0, "b": 4.0}, "iris": "round"}, None),
        ({"pupil": {"a": 4.0, "b": 4.0}, "iris": {"a": 8.0, "b": 8.0}}, 0.5),
    ],
)
def test_the_pupil_ratio_of_a_record(fields: dict[str, object], expected: float | None) -> None:
    assert pupil_ratio(fields) == expected


def test_other_settings_are_refused_and_named(tmp_path: Path) -> None:
    settings = {"version": "1", "config": {"size": [64, 512], "segmentation": {"min_trust": 0.5}}}
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**with_digest(settings), "started": "now"}))
    held = read_settings(path)
    require_same_settings(held, settings, where="out")
    changed = {"version": "1", "config": {"size": [32, 512], "segmentation": {"min_trust": 0.6}}}
    with pytest.raises(OutputError) as error:
        require_same_settings(held, changed, where="out", remedy="choose another folder")
    assert error.value.reason == (
        "out was made with segmentation.min_trust 0.5 (now 0.6); size [64, 512] (now [32, 512]): choose another folder"
    )
    with pytest.raises(OutputError, match="other settings"):
        require_same_settings({**held, "settings_sha256": "0"}, settings, where="out")
    for content in (b"", b"[1]", b'{"version": '):
        path.write_bytes(content)
        with pytest.raises(OutputError, match=r"run\.json cannot be read"):
            read_settings(path)
