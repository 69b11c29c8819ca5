"""The runner: with a small job of its own where only the running matters, and with the real ones."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from irisstn.batch import SegmentConfig, SegmentJob, read_segmentation, run_batch
from irisstn.batch.inputs import find_inputs
from irisstn.batch.job import Input, Process, Product
from irisstn.batch.painted import is_painted, segment_painted
from irisstn.batch.rectify import RectifyConfig, RectifyJob, kind_of
from irisstn.datasets import Sample, find_images
from irisstn.errors import DatasetError, ImageError, OutputError, SegmentationError, WeightsError
from irisstn.images import encode_png, read_gray, write_png
from irisstn.normalization import normalize
from irisstn.outputs import Json, Record, read_manifest, safe_name
from irisstn.segmentation import segment


@dataclass(frozen=True)
class Shout:
    """Writes each input in capitals, slowly, or fails, crashes or hangs where the input says so."""

    mark: str = "!"
    pause_s: float = 0.0
    command: str = "shout"

    def settings(self) -> dict[str, Json]:
        return {"config": {"mark": self.mark}}

    @contextmanager
    def start(self) -> Iterator[Process]:
        if self.mark == "broken":
            raise WeightsError("no such mark")
        yield self._shout

    def _shout(self, source: Input) -> Product:
        time.sleep(self.pause_s)
        text = source.data.decode()
        if text == "bad":
            raise ImageError("bad input")
        if text == "bug":
            raise KeyError("a bug")
        if text == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if text == "hang":
            time.sleep(60)
        name = f"strips/{source.name}.png"
        return Product({"strip": name}, {name: (text.upper() + self.mark).encode()})


def inputs(root: Path, count: int = 20, **special: str) -> list[Sample]:
    root.mkdir(exist_ok=True)
    for number in range(count):
        (root / f"{number:04d}.png").write_text(f"text {number}")
    for name, text in special.items():
        (root / f"{name}.png").write_text(text)
    return find_images([root])


def contents(out: Path) -> dict[str, bytes]:
    """Every file below `out`, without what may differ: the times in the manifest and run.json, and the lock."""
    files = {}
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.name != ".lock":
            data = path.read_bytes()
            if path.name == "run.json":
                about = json.loads(data)
                data = json.dumps(about | {"started": 0, "finished": about["finished"] is not None}).encode()
            elif path.name == "manifest.jsonl":
                records = [json.loads(line) for line in data.splitlines()]
                data = "\n".join(json.dumps({**record, "seconds": 0}) for record in records).encode()
            files[path.relative_to(out).as_posix()] = data
    return files


def statuses(out: Path) -> dict[str, Json]:
    return {str(record["path"]): record["status"] for record in read_manifest(out)}


def test_records_files_and_counts(tmp_path: Path):
    samples = inputs(tmp_path / "in", 3, a="bad", b="bug")
    summary = run_batch(Shout(), samples, tmp_path / "out")
    assert (summary.done, summary.failed, summary.skipped, summary.total) == (3, 2, 0, 5)
    records = {str(record["path"]): record for record in read_manifest(tmp_path / "out")}
    assert list(records) == ["0000.png", "0001.png", "0002.png", "a.png", "b.png"]
    assert (tmp_path / "out" / str(records["0001.png"]["strip"])).read_text() == "TEXT 1!"
    assert (records["a.png"]["stage"], records["a.png"]["reason"]) == ("read", "bad input")
    assert records["b.png"]["stage"] == "internal"
    assert "KeyError" in str(records["b.png"]["reason"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".lock",
        "manifest.jsonl",
        "run.json",
        "strips",
    ]
    about = json.loads((tmp_path / "out/run.json").read_text())
    assert about["counts"] == {"inputs": 5, "ok": 3, "failed": 2}
    assert about["config"] == {"mark": "!"}
    assert about["finished"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_run_skips_what_holds_and_redoes_what_changed(tmp_path: Path, workers: int):
    samples = inputs(tmp_path / "in", a="bad")
    out = tmp_path / "out"
    run_batch(Shout(), samples, out, workers=workers)
    (tmp_path / "in/0003.png").write_text("new")
    (tmp_path / "in/0004.png").write_text("bad")
    (out / "strips/0005.png.png").unlink()
    (tmp_path / "in/a.png").write_text("good")
    summary = run_batch(Shout(), samples, out, workers=workers)
    assert (summary.done, summary.failed, summary.skipped) == (3, 1, 17)
    assert (out / "strips/0003.png.png").read_text() == "NEW!"
    assert (out / "strips/0005.png.png").read_text() == "TEXT 5!"
    assert not (out / "strips/0004.png.png").exists()
    run_batch(Shout(), samples, tmp_path / "fresh", workers=1)
    assert contents(out) == contents(tmp_path / "fresh")


def test_other_settings_are_refused_or_begin_anew(tmp_path: Path):
    samples = inputs(tmp_path / "in", 2)
    out = tmp_path / "out"
    run_batch(Shout(), samples, out)
    (out / "mine.txt").write_text("a note")
    with pytest.raises(OutputError, match=r'made with mark "!" \(now "\?"\)'):
        run_batch(Shout("?"), samples, out)
    assert (out / "strips/0000.png.png").read_text() == "TEXT 0!"
    run_batch(Shout("?"), samples[:1], out, overwrite=True)
    assert statuses(out) == {"0000.png": "ok"}
    assert [path.name for path in (out / "strips").iterdir()] == ["0000.png.png"]
    run_batch(Shout("?"), inputs(tmp_path / "other", 1, a="bad")[1:], out, overwrite=True)
    assert not (out / "strips").exists()
    assert (out / "mine.txt").exists()


def test_records_of_other_inputs_stay(tmp_path: Path):
    samples = inputs(tmp_path / "in", 4)
    run_batch(Shout(), samples[:2], tmp_path / "out")
    run_batch(Shout(), samples[2:], tmp_path / "out")
    run_batch(Shout(), samples, tmp_path / "whole")
    assert statuses(tmp_path / "out") == statuses(tmp_path / "whole")


def test_a_worker_that_dies_or_hangs_costs_its_input_only(tmp_path: Path):
    samples = inputs(tmp_path / "in", 20, c="crash", h="hang")
    summary = run_batch(Shout(), samples, tmp_path / "out", workers=2, limit_s=2)
    assert (summary.done, summary.failed) == (20, 2)
    reasons = {str(r["path"]): str(r.get("reason")) for r in read_manifest(tmp_path / "out") if r["status"] == "failed"}
    assert "ended the worker process (exit code -9)" in reasons["c.png"]
    assert "longer than 2 s" in reasons["h.png"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_that_cannot_start_is_told(tmp_path: Path, workers: int):
    with pytest.raises(WeightsError, match="no such mark"):
        run_batch(Shout("broken"), inputs(tmp_path / "in"), tmp_path / "out", workers=workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_fail_fast_ends_early_and_the_next_run_goes_on(tmp_path: Path, workers: int):
    samples = inputs(tmp_path / "in", 40, **{"0002x": "bad"})
    # Slowly, so that no worker is through before the other has begun.
    summary = run_batch(Shout(pause_s=0.05), samples, tmp_path / "out", workers=workers, fail_fast=True)
    assert summary.failed == 1
    assert 0 < summary.done < 40
    assert json.loads((tmp_path / "out/run.json").read_text())["finished"] is None
    again = run_batch(Shout(), samples, tmp_path / "out", workers=workers)
    assert (again.skipped, again.done, again.failed) == (summary.done, 40 - summary.done, 1)


def test_the_manifest_survives_a_cut_at_any_byte(tmp_path: Path):
    samples = inputs(tmp_path / "in", 3, a="bad")
    out = tmp_path / "out"
    run_batch(Shout(), samples, out)
    whole, expected = (out / "manifest.jsonl").read_bytes(), contents(out)
    lines = whole.count(b"\n")
    for end in range(0, len(whole), 7):
        (out / "manifest.jsonl").write_bytes(whole[:end])
        assert len(list(read_manifest(out))) == whole[:end].count(b"\n") <= lines
        run_batch(Shout(), samples, out)
        assert contents(out) == expected


def test_a_later_record_replaces_an_earlier_one_and_junk_is_passed_over(tmp_path: Path):
    lines = [
        '{"path":"a","status":"failed"}',
        "junk",
        "[1]",
        '{"status":"ok"}',
        '{"path":"a","status":"ok"}',
        "[" * 9999,
    ]
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    assert list(read_manifest(tmp_path)) == [{"path": "a", "status": "ok"}]
    assert list(read_manifest(tmp_path / "none")) == []


def run_in_process(root: Path, out: Path, pause_s: float, workers: int) -> "subprocess.Popen[bytes]":
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import test_batch as t\n"
        "if __name__ == '__main__':\n"
        "  s = t.run_batch(t.Shout(pause_s=float(sys.argv[4])), t.find_images([sys.argv[2]]), Path(sys.argv[3]),"
        " workers=int(sys.argv[5]))\n"
        "  sys.exit(128 + s.stopped_by if s.stopped_by else 0)\n"
    )
    script = root.parent / "run_it.py"
    script.write_text(code)
    arguments = [str(Path(__file__).parent), str(root), str(out), str(pause_s), str(workers)]
    return subprocess.Popen([sys.executable, str(script), *arguments], stderr=subprocess.PIPE)


def wait_for_records(out: Path, count: int) -> None:
    for _ in range(600):
        if (out / "manifest.jsonl").exists() and (out / "manifest.jsonl").read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.02)
    raise AssertionError("the run does not get on")


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_and_resumed_is_like_never_broken(tmp_path: Path, workers: int):
    samples = inputs(tmp_path / "in", 60, a="bad")
    out = tmp_path / "out"
    for done in (5, 30):
        run = run_in_process(tmp_path / "in", out, 0.01, workers)
        wait_for_records(out, done)
        run.kill()
        run.communicate()
    before = len(list(read_manifest(out)))
    assert 30 <= before < 61
    summary = run_batch(Shout(), samples, out, workers=workers)
    assert summary.skipped >= before - 1
    run_batch(Shout(), samples, tmp_path / "unbroken")
    assert contents(out) == contents(tmp_path / "unbroken")


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 1), (signal.SIGTERM, 2)])
def test_signals_end_a_run_in_order(tmp_path: Path, number: signal.Signals, workers: int):
    inputs(tmp_path / "in", 60)
    out = tmp_path / "out"
    run = run_in_process(tmp_path / "in", out, 0.02, workers)
    wait_for_records(out, 3)
    run.send_signal(number)
    _, errors = run.communicate(timeout=20)
    assert run.returncode == 128 + number
    assert errors == b""
    found = statuses(out)
    assert 3 <= len(found) < 60
    assert set(found.values()) == {"ok"}
    assert not (out / ".unfinished").exists()


def test_two_runs_exclude_each_other(tmp_path: Path):
    samples = inputs(tmp_path / "in", 60)
    out = tmp_path / "out"
    run = run_in_process(tmp_path / "in", out, 0.2, 1)
    wait_for_records(out, 1)
    with pytest.raises(OutputError, match=f"in use by another run .process {run.pid}"):
        run_batch(Shout(), samples, out)
    run.kill()
    run.communicate()
    assert run_batch(Shout(), samples, out).failed == 0


def test_an_output_that_cannot_be_written_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    samples = inputs(tmp_path / "in", 5)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        run_batch(Shout(), samples, tmp_path / "file")
    real, left = Path.write_bytes, 3

    def full(path: Path, data: bytes) -> int:
        nonlocal left
        left -= path.suffix == ".tmp"
        if left < 0:
            raise OSError(28, "No space left on device")
        return real(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError, match="No space left") as error:
            run_batch(Shout(), samples, tmp_path / "out")
    assert error.value.stage == "write"
    assert run_batch(Shout(), samples, tmp_path / "out").skipped == 2
    run_batch(Shout(), samples, tmp_path / "fresh")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_output(tmp_path: Path):
    (tmp_path / "out").mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(OutputError, match="cannot be written"):
        run_batch(Shout(), inputs(tmp_path / "in", 2), tmp_path / "out")


def test_odd_inputs_each_get_a_record(tmp_path: Path):
    root = tmp_path / "in"
    names = ["a b.png", "new\nline.png", "\N{EYE}/\N{EYE}.png", "x" * 246 + ".png", "x" * 251 + ".png", "d/a b.png"]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name[:3])
    os.mkfifo(root / "pipe.png")
    (root / "dead.png").symlink_to("nothing")
    (root / "loop").symlink_to(root)
    summary = run_batch(Shout(), find_images([root]), tmp_path / "out")
    assert (summary.done, summary.failed) == (5, 3)
    records = {str(record["path"]): record for record in read_manifest(tmp_path / "out")}
    assert set(records) == {*names, "pipe.png", "dead.png"}
    assert records["x" * 251 + ".png"]["stage"] == "write"
    assert "regular" in str(records["pipe.png"]["reason"])
    assert len((tmp_path / "out/manifest.jsonl").read_text().splitlines()) == 8
    assert run_batch(Shout(), find_images([root]), tmp_path / "out").skipped == 5


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", "a\0b", 3, None])
def test_paths_in_a_manifest_are_not_trusted(name: Json):
    with pytest.raises(DatasetError):
        safe_name(name)


def test_a_hostile_manifest_removes_nothing_outside(tmp_path: Path):
    out = tmp_path / "out"
    run_batch(Shout(), inputs(tmp_path / "in", 1), out)
    (tmp_path / "precious").touch()
    record: Record = {"path": "0000.png", "status": "ok", "strip": "../precious", "variants": ["../../precious"]}
    (out / "manifest.jsonl").write_text(json.dumps(record) + "\n")
    run_batch(Shout("?"), inputs(tmp_path / "in", 1), out, overwrite=True)
    assert (tmp_path / "precious").exists()


# --- the real jobs


@pytest.fixture(scope="module")
def segmented(eyes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "segmented"
    summary = run_batch(SegmentJob(SegmentConfig(overlays=True)), find_images([eyes]), out)
    assert summary.done >= 9
    return out


def good(out: Path) -> list[Record]:
    return [record for record in read_manifest(out) if record["status"] == "ok"]


def test_segment_writes_what_the_functions_return(eyes: Path, segmented: Path):
    for record in good(segmented)[:4]:
        image = read_gray(eyes / str(record["path"]))
        found = segment(image)
        strip = normalize(image, found)
        assert (record["width"], record["height"]) == image.shape[::-1]
        np.testing.assert_array_equal(read_gray(segmented / str(record["strip"])), strip.image)
        np.testing.assert_array_equal(read_gray(segmented / str(record["strip_mask"])) > 127, strip.usable)
        np.testing.assert_array_equal(read_gray(segmented / str(record["iris_mask"])) > 127, found.iris_mask)
        assert read_gray(segmented / str(record["overlay"])).shape == image.shape
        again = read_segmentation(segmented, record)
        np.testing.assert_array_equal(again.usable, found.usable)
        angles = np.linspace(0, 6, 20)
        np.testing.assert_allclose(again.limbus.points(angles), found.limbus.points(angles), atol=1e-3)
        assert (again.upper_lid is None) == (found.upper_lid is None)
        assert isinstance(record["pupil"], dict)
        assert 0 < float(str(record["pupil"]["b"])) <= float(str(record["pupil"]["a"]))


def test_segment_gives_the_same_bytes_with_more_workers(eyes: Path, segmented: Path, tmp_path: Path):
    samples = find_images([eyes])
    run_batch(SegmentJob(SegmentConfig(overlays=True)), samples * 2, tmp_path, workers=3)  # 24 tasks: three processes
    got, expected = contents(tmp_path), contents(segmented)
    assert got.keys() == expected.keys()
    assert [name for name in got if got[name] != expected[name] and name != "run.json"] == []


def test_pictures_that_are_no_eyes(tmp_path: Path, eyes: Path):
    root = tmp_path / "in"
    root.mkdir()
    eye = read_gray(next(iter(find_images([eyes]))).path)
    (root / "text.jpg").write_text("no picture")
    (root / "empty.png").touch()
    (root / "broken.png").write_bytes(encode_png(eye)[:2000])
    write_png(root / "wall.png", np.full((240, 320), 128, np.uint8))
    noise = np.random.default_rng(0).integers(0, 256, (240, 320)).astype(np.uint8)
    write_png(root / "noise.png", noise)
    write_png(root / "tiny.png", eye[:5, :5])
    cv2.imwrite(str(root / "deep.png"), eye.astype(np.uint16) * 257)
    cv2.imwrite(str(root / "colour.jpg"), cv2.cvtColor(eye, cv2.COLOR_GRAY2BGR))
    summary = run_batch(SegmentJob(SegmentConfig()), find_images([root]), tmp_path / "out")
    stages = {str(record["path"]): record.get("stage", "ok") for record in read_manifest(tmp_path / "out")}
    assert stages == {
        "text.jpg": "read",
        "empty.png": "read",
        "broken.png": "read",
        "wall.png": "segment",
        "noise.png": "segment",
        "tiny.png": "segment",
        "deep.png": "ok",
        "colour.jpg": "ok",
    }
    assert summary.failed == 6
    deep = next(record for record in good(tmp_path / "out") if record["path"] == "deep.png")
    plain = normalize(eye, segment(eye))
    np.testing.assert_array_equal(read_gray(tmp_path / "out" / str(deep["strip"])), plain.image)


# --- rectify


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rectifier that changes nothing."""
    torch = pytest.importorskip("torch")
    from irisstn.rectifier import Rectifier  # noqa: PLC0415  (torch only where it is tested)

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "rectifier.safetensors"
    Rectifier().save(path)
    return path


def rectified(weights: Path, sources: list[Path], out: Path, **options: object) -> Path:
    job = RectifyJob.of(RectifyConfig.model_validate(options), weights)
    summary = run_batch(job, find_inputs(sources, strips=True), out)
    assert summary.done > 0
    return out


def test_rectify_of_eyes_at_the_identity_is_the_rubber_sheet(
    eyes: Path, segmented: Path, weights: Path, tmp_path: Path
):
    out = rectified(weights, [eyes], tmp_path / "out", augment=2)
    plain = {str(record["path"]): record for record in good(segmented)}
    whole = [record for record in good(out) if "variant_of" not in record]
    assert len(whole) == len(plain)
    for record in whole:
        name = str(record["path"])
        strip = read_gray(out / str(record["strip"]))
        expected = read_gray(segmented / str(plain[name]["strip"]))
        np.testing.assert_array_equal(strip, expected)
        assert isinstance(record["rectification"], dict)
        assert abs(float(str(record["rectification"]["roll_rad"]))) < 1e-6
        assert record["variants"] == [f"{name}.v1", f"{name}.v2"]
        first, second = (read_gray(out / f"strips/{name}.v{k}.png") for k in (1, 2))
        assert first.shape == second.shape == strip.shape
        assert (first != second).mean() > 0.2
    variants = [record for record in good(out) if "variant_of" in record]
    assert len(variants) == 2 * len(whole)
    assert json.loads((out / "run.json").read_text())["weights_sha256"]


def test_rectify_takes_the_output_of_segment(segmented: Path, weights: Path, tmp_path: Path):
    out = rectified(weights, [segmented], tmp_path / "out")
    assert [record["path"] for record in good(out)] == [record["path"] for record in good(segmented)]
    for record, before in zip(good(out), good(segmented), strict=True):
        assert record["input"] == "strip"
        assert record["mask_sha256"]
        for kind in ("strip", "strip_mask"):
            got, given = read_gray(out / str(record[kind])), read_gray(segmented / str(before[kind]))
            np.testing.assert_allclose(got.astype(int), given, atol=1)
    small = rectified(weights, [segmented], tmp_path / "small", size="32x256")
    assert read_gray(small / str(good(small)[0]["strip"])).shape == (32, 256)


def test_rectify_tells_strips_rings_and_eyes_apart(eyes: Path, weights: Path, tmp_path: Path):
    root = tmp_path / "in"
    sample = find_images([eyes])[0]
    image = read_gray(sample.path)
    found = segment(image)
    write_png(root / "eye.png", image)
    write_png(root / "ring.png", np.where(found.usable, image, np.uint8(0)))
    write_png(root / "strip.png", normalize(image, found, (32, 256)).image)
    out = rectified(weights, [root], tmp_path / "out")
    records = {str(record["path"]): record for record in good(out)}
    assert {name: record["input"] for name, record in records.items()} == {
        "eye.png": "eye",
        "ring.png": "ring",
        "strip.png": "strip",
    }
    assert read_gray(out / "strips/strip.png.png").shape == (32, 256)
    assert read_gray(out / "strips/ring.png.png").shape == (64, 512)
    # A ring is unrolled along the painting's own edges: nearly the strip of the photograph.
    ring, eye = (read_gray(out / f"strips/{name}.png.png").astype(float) for name in ("ring", "eye"))
    usable = (read_gray(out / "strip_masks/ring.png.png") > 0) & (read_gray(out / "strip_masks/eye.png.png") > 0)
    assert usable.mean() > 0.3
    assert np.abs(ring - eye)[usable].mean() < 6


def test_a_painted_ring_is_found_under_lids_and_on_any_flat_colour(eyes: Path):
    tried = 0
    for sample in find_images([eyes])[:6]:
        image = read_gray(sample.path)
        found = segment(image)
        for level in (0, 128, 255):
            painted = np.where(found.iris_mask, image, np.uint8(level))
            assert is_painted(painted)
            assert not is_painted(image)
            ring = segment_painted(painted)
            limit = 0.03 * found.limbus.mean_radius
            for got, true in ((ring.limbus, found.limbus), (ring.pupil, found.pupil)):
                assert np.hypot(got.x - true.x, got.y - true.y) < limit
                assert abs(got.mean_radius - true.mean_radius) < limit
            tried += 1
    assert tried == 18


@pytest.mark.parametrize("case", ["flat", "no hole", "square"])
def test_no_ring(case: str):
    picture = np.zeros((200, 200), np.uint8)
    noise = np.random.default_rng(0).integers(80, 200, (200, 200)).astype(np.uint8)
    if case == "no hole":
        cv2.circle(mask := np.zeros_like(picture), (100, 100), 80, 255, -1)
        picture = np.where(mask > 0, noise, picture)
    if case == "square":
        picture[60:140, 60:140] = noise[60:140, 60:140]
    with pytest.raises(SegmentationError, match="no ring"):
        segment_painted(picture)


def test_kinds_by_shape():
    assert kind_of(np.zeros((64, 256), np.uint8)) == "strip"
    assert kind_of(np.random.default_rng(0).integers(0, 256, (240, 320)).astype(np.uint8)) == "eye"


def test_an_output_is_an_input_for_rectify_alone(segmented: Path, eyes: Path, tmp_path: Path):
    with pytest.raises(DatasetError, match="photographs"):
        find_inputs([segmented], strips=False)
    with pytest.raises(DatasetError, match="alone"):
        find_inputs([segmented, eyes], strips=True)
    (tmp_path / "manifest.jsonl").write_text('{"path":"a","status":"ok","strip":"../../x.png"}\n')
    with pytest.raises(DatasetError, match="leads out"):
        find_inputs([tmp_path], strips=True)
    with pytest.raises(WeightsError, match="cannot be read"):
        RectifyJob.of(RectifyConfig(), tmp_path)
