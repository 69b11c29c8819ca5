"""Nonsense on the command line, in records and in folders: one clear line, and nothing written elsewhere."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import ValidationError
from report_data import data_of_page
from text_job import TextJob, inputs

from irisstn.batch import run_batch
from irisstn.batch.jobs.job import JobInput, JobResult, Process
from irisstn.batch.jobs.rectify import RectifyJob
from irisstn.cli import cli
from irisstn.datasets import find_images
from irisstn.errors import IrisError
from irisstn.outputs.manifest import read_manifest
from irisstn.report import write_report
from irisstn.training.data.rendered_eyes import RenderedConfig


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["segment", "EYES", "-o", "OUT", "--limit", "nan"], "nan is no number"),
        (["segment", "EYES", "-o", "OUT", "--set", f"max_pixels=0x{'f' * 5000}"], "a number of 5002 characters"),
        (["segment", "EYES", "-o", "OUT", "--set", f"size=0x{'f' * 5000}"], "a number of 5002 characters"),
        (["segment", "EYES", "-o", "/dev/null"], "cannot be made"),
        (["segment", "EYES", "-o", ""], "--out is an empty text"),
        (["segment", "", "-o", "OUT"], "a source is an empty text"),
        (["synth", "-o", "/dev/null/x", "--subjects", "1"], "cannot be made"),
        (["synth", "-o", "OUT", "--camera", "nope"], "cameras must be among"),
        (["evaluate", "OUT", "--shifts=-3"], "from 0 to 128"),
        (["evaluate", "OUT", "--shifts", "0,99999999"], "from 0 to 128"),
    ],
)
def test_nonsense_is_refused_in_one_line(tmp_path: Path, words: list[str], message: str):
    inputs(tmp_path / "eyes", 1)
    given = [word.replace("EYES", str(tmp_path / "eyes")).replace("OUT", str(tmp_path / "out")) for word in words]
    done = CliRunner().invoke(cli, given)
    assert done.exit_code == 2 and message in done.output, done.output
    assert done.output.strip().splitlines()[-1].startswith("Error: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a working directory")
@pytest.mark.parametrize(
    "words", [["segment", "eyes", "-o", "out"], ["measure", "eyes"], ["measure", "eyes", "--csv", "a.csv"]]
)
def test_a_deleted_working_directory_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    done = CliRunner().invoke(cli, words)
    assert (done.exit_code, done.output) == (2, "Error: the working directory was deleted: change to another one\n")


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def start(_: object) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(RectifyJob, "start", start)
    inputs(tmp_path / "eyes", 1)
    done = CliRunner().invoke(cli, ["rectify", str(tmp_path / "eyes"), "-o", str(tmp_path / "out")])
    assert (done.exit_code, done.output) == (2, 'Error: torch is not installed: pip install "irisstn[torch]"\n')


def test_an_unknown_camera_of_a_training():
    with pytest.raises(ValidationError, match="no camera nope; there are "):
        RenderedConfig(cameras=("nope",))


@dataclass(frozen=True)
class NotFinite(TextJob):
    """Writes a number that JSON cannot hold."""

    def _capitals(self, source: JobInput) -> JobResult:
        result = super()._capitals(source)
        return replace(result, fields={**result.fields, "outside": float("nan")})


def test_a_number_that_is_not_finite_fails_the_input_alone(tmp_path: Path):
    summary = run_batch(NotFinite(), inputs(tmp_path / "in", 1), tmp_path / "out")
    assert summary.failed == 1
    (record,) = read_manifest(tmp_path / "out")
    assert record["stage"] == "internal" and not list((tmp_path / "out").rglob("*.png"))


@dataclass(frozen=True)
class Dead(TextJob):
    """Its workers end before they are ready."""

    @contextmanager
    def start(self) -> Iterator[Process]:
        os._exit(7)
        yield self._capitals


def test_workers_that_end_at_once_end_the_run(tmp_path: Path):
    with pytest.raises(IrisError, match=r"ended before its first picture \(exit code 7\)"):
        run_batch(Dead(), inputs(tmp_path / "in", 20), tmp_path / "out", workers=2)


def test_a_picture_beside_a_folder_with_the_name_of_one_of_its_files(tmp_path: Path):
    for name in ("a.jpg", "a.jpg.png/b.png", "c.png", "c.png.npy/d.png", "e.png", "e.png.png/f.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(name)
    for _ in range(2):
        summary = run_batch(TextJob(), find_images([tmp_path / "in"]), tmp_path / "out")
        assert sorted(summary.reasons) == [
            f"output: its files would have the name of the folder {folder} of other inputs"
            for folder in ("a.jpg.png", "c.png.npy")
        ]
    assert {r["path"]: r["status"] for r in read_manifest(tmp_path / "out")} == {
        "a.jpg": "failed",
        "a.jpg.png/b.png": "ok",
        "c.png": "failed",
        "c.png.npy/d.png": "ok",
        "e.png": "ok",
        "e.png.png/f.png": "ok",
    }
    assert (tmp_path / "out/strips/e.png").is_file() and (tmp_path / "out/strips/e.png.png/f.png").is_file()


def test_an_output_with_files_named_by_an_earlier_version_is_not_added_to(tmp_path: Path):
    samples, out = inputs(tmp_path / "in", 2), tmp_path / "out"
    run_batch(TextJob(), samples, out)
    settings = json.loads((out / "run.json").read_text())
    del settings["file_names"]
    (out / "run.json").write_text(json.dumps(settings))
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    for line in lines:
        (out / line["strip"]).rename(out / f"{line['strip']}.png")
        line["strip"] += ".png"
    (out / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(IrisError, match=r"named files otherwise \(a.png.png for a.png\): give --overwrite"):
        run_batch(TextJob(), samples, out)
    assert (out / "strips/0001.png.png").is_file()  # it is refused before anything is changed
    assert run_batch(TextJob(), samples, out, overwrite=True).done == 2
    assert sorted(path.name for path in (out / "strips").iterdir()) == ["0000.png", "0001.png"]


def test_nothing_is_written_or_removed_through_a_link(tmp_path: Path):
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    elsewhere.mkdir()
    (elsewhere / "0000.png").write_text("precious")
    out.mkdir()
    (out / "strips").symlink_to(elsewhere)
    summary = run_batch(TextJob(), inputs(tmp_path / "in", 2, bad="bad"), out)
    assert summary.failed == 3
    assert sum("leads out of the output folder" in reason for reason in summary.reasons) == 1
    assert {path.name: path.read_text() for path in elsewhere.iterdir()} == {"0000.png": "precious"}
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").mkdir()
    assert run_batch(TextJob(), inputs(tmp_path / "in", 2), tmp_path / "link").done == 2  # the output may be one itself


def test_overwriting_removes_only_what_a_run_has_written(tmp_path: Path):
    samples, out = inputs(tmp_path / "in", 2), tmp_path / "out"
    run_batch(TextJob(), samples, out)
    for name in ("mine.txt", "strips/mine.png"):
        (out / name).write_text("precious")
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    lines[0] |= {"mask": "mine.txt", "iris_mask": "strips/mine.png", "variants": ["mine"]}
    (out / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run_batch(TextJob("?"), samples[:1], out, overwrite=True)
    assert (out / "mine.txt").read_text() == (out / "strips/mine.png").read_text() == "precious"
    assert not (out / "strips/0001.png").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"quality": {"sharpness": float("nan")}, "rectification": {"roll_rad": 1e308}},
        {"quality": {"sharpness": 10**400}},
        {"status": {"a": 1}},
        {"strip": "//evil.example/t.png"},
        {"strip": "\ud800"},
        {"quality": "x", "strip": 5},
        {"variants": ["../../x", {}, None]},
    ],
)
def test_a_page_of_records_that_others_have_changed(tmp_path: Path, change: dict[str, object]):
    records: list[dict[str, object]] = [
        {"path": f"{number}.png", "status": "ok", "quality": {"sharpness": 1e-300}} for number in range(3)
    ]
    records.append({"path": "x.png", "status": "ok", **change})
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    page = write_report(tmp_path).read_text()
    assert "evil.example" not in page
    assert [row["name"] for row in data_of_page(tmp_path)["rows"]][-1 if change.get("status") is None else 0] == "x.png"
