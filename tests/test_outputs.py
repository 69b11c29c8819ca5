"""Reading an output folder back, and judging its strips."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from irisstn.datasets import Label
from irisstn.errors import DatasetError
from irisstn.evaluation import evaluate_folder, read_templates
from irisstn.outputs.manifest import read_manifest
from irisstn.outputs.reader import read_strip

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


def shots(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1000 + seed)
    base = texture(seed).astype(int)
    return [np.clip(base + rng.normal(0, 8, SIZE), 0, 255).astype(np.uint8) for _ in range(3)]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    names = {f"{s:03d}/L/{s:03d}L{k:02d}.png": image for s in range(1, 6) for k, image in enumerate(shots(s))}
    return write(tmp_path / "out", names)


def test_strips_come_back_as_written(out: Path) -> None:
    records = list(read_manifest(out))
    assert len(records) == 15
    assert [record["path"] for record in records] == sorted(str(record["path"]) for record in records)
    strip = read_strip(out, records[0])
    np.testing.assert_array_equal(strip.image, shots(1)[0])
    assert strip.usable.all()


def test_the_last_line_of_an_input_holds(out: Path) -> None:
    with (out / "manifest.jsonl").open("a") as file:
        file.write(json.dumps({"path": "001/L/001L00.png", "status": "failed"}) + "\n")
    records = list(read_manifest(out))
    assert len(records) == 15
    assert records[0]["status"] == "failed"


def test_a_torn_last_line_is_passed_over(out: Path) -> None:
    with (out / "manifest.jsonl").open("a") as file:
        file.write('{"path": "001/L/001L00.png", "stat')
    records = list(read_manifest(out))
    assert len(records) == 15
    assert records[0]["status"] == "ok"


def test_the_same_eyes_match_and_others_do_not(out: Path) -> None:
    rates = evaluate_folder(out, resamples=50)
    assert rates.mated == 5 * 3
    assert rates.non_mated == 15 * 14 // 2 - 15
    assert rates.subjects == 5
    assert rates.eer.value == 0
    assert rates.d_prime > 3


def test_a_failure_to_enrol_counts_as_rejected(tmp_path: Path) -> None:
    names: dict[str, np.ndarray | None] = {
        f"{s:03d}/L/{s:03d}L{k:02d}.png": image for s in range(1, 6) for k, image in enumerate(shots(s))
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


def test_labels_may_come_from_elsewhere_and_variants_are_no_samples(tmp_path: Path) -> None:
    out = write(tmp_path / "out", {"a.png": shots(1)[0], "b.png": shots(1)[1], "c.png": shots(2)[0]})
    with pytest.raises(DatasetError, match="whose eye"):
        evaluate_folder(out)
    with (out / "manifest.jsonl").open("a") as file:
        file.write(json.dumps({"path": "a.png.v1", "variant_of": "a.png", "status": "ok"}) + "\n")
    labels = {"a.png": Label("x"), "b.png": Label("x"), "c.png": Label("y")}
    assert read_templates(out, labels=labels).labels == (Label("x"), Label("x"), Label("y"))


def test_bad_folders_are_told(tmp_path: Path, out: Path) -> None:
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
    with pytest.raises(DatasetError, match="nothing to compare"):
        read_templates(write(tmp_path / "none", {"001/L/001L01.png": None}))
