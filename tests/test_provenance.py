"""Files that are made from others are refused where those have changed; one writer at a time; no strangers in a set."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_disk import restore, watch_syncs

from irisstn.batch.jobs.embed import gather_embeddings
from irisstn.cli import cli
from irisstn.datasets import Label
from irisstn.errors import DatasetError, OutputError
from irisstn.evaluation import Templates, read_scores, read_templates, write_scores
from irisstn.outputs import read_embeddings
from irisstn.outputs.folder import EMBEDDINGS, REPORT, open_output_folder
from irisstn.outputs.manifest import manifest_digest
from irisstn.report.evaluated_runs import read_runs
from irisstn.report.evaluation import write_evaluation
from irisstn.storage import locked
from irisstn.synthetic import read_truth, write_eyes


def embedded(out: Path, eyes: int = 4, seed: int = 0) -> Path:
    """An output folder like that of `irisstn embed`, with three embeddings of each eye."""
    rng = np.random.default_rng(seed)
    (out / "embeddings").mkdir(parents=True, exist_ok=True)
    lines = []
    for eye in range(eyes):
        centre = rng.normal(size=16)
        for capture in range(3):
            name = f"{eye:03d}/L/{eye:03d}L{capture}.png"
            np.save(out / f"embeddings/{eye}-{capture}.npy", (centre + 0.3 * rng.normal(size=16)).astype(np.float32))
            record = {"path": name, "status": "ok", "embedding": f"embeddings/{eye}-{capture}.npy", "seconds": 0.1}
            lines.append(json.dumps(record | {"sha256": hashlib.sha256(f"{name}{seed}".encode()).hexdigest()}) + "\n")
    (out / "manifest.jsonl").write_text("".join(lines))
    return out


def match(source: Path, out: Path) -> Path:
    write_scores(read_templates(source), None, out, about={"a": "." if source == out else str(source)})
    return out


@settings(max_examples=60, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_scores_beside_a_manifest_that_differs_are_refused(
    tmp_path_factory: pytest.TempPathFactory, place: float, byte: int
):
    source = embedded(tmp_path_factory.mktemp("embedded"), eyes=2)
    scores, manifest = match(source, tmp_path_factory.mktemp("scores")), source / "manifest.jsonl"
    held = manifest.read_bytes()
    at = int(place * len(held))
    manifest.write_bytes(held[:at] + bytes([byte]) + held[at + 1 :])
    try:
        read_scores(scores)
    except DatasetError as error:
        assert "earlier content" in str(error)
        return
    before, after = (
        [json.loads(line) | {"seconds": 0} for line in text.splitlines()] for text in (held, manifest.read_bytes())
    )
    assert after == before and len(after) == 6


@pytest.mark.parametrize("same_folder", [True, False])
def test_scores_of_an_earlier_content_are_refused(tmp_path: Path, same_folder: bool):
    source = embedded(tmp_path / "embedded")
    scores = match(source, source if same_folder else tmp_path / "scores")
    assert read_scores(scores).source_sha256 == manifest_digest(source)
    text = (source / "manifest.jsonl").read_text()
    (source / "manifest.jsonl").write_text(text.replace('"seconds": 0.1', '"seconds": 2.5e-05'))
    assert len(read_scores(scores).names) == 12  # the time that a record took is no content
    embedded(source, seed=1)
    with pytest.raises(DatasetError, match=r"earlier content of .*embedded.*: run `match` again"):
        read_scores(scores)
    with pytest.raises(DatasetError, match="earlier content"):
        read_runs([scores], None, [0])
    match(source, scores)
    runs = read_runs([scores], None, [0])
    write_evaluation(runs, tmp_path / "page", resamples=0)
    (figures,) = json.loads((tmp_path / "page/evaluation.json").read_text()).values()
    assert figures["source_sha256"] == manifest_digest(source)


def test_scores_that_do_not_belong_together_are_refused(tmp_path: Path):
    source = embedded(tmp_path / "embedded")
    scores = match(source, tmp_path / "scores")
    other = match(embedded(tmp_path / "larger", eyes=5), tmp_path / "other")
    shutil.copy(other / "rows.csv", scores / "rows.csv")
    with pytest.raises(DatasetError, match=r"match\.json does not belong to rows\.csv"):
        read_scores(scores)
    (scores / "match.json").unlink()
    with pytest.raises(DatasetError, match="no complete scores"):
        read_scores(scores)


def test_a_full_disk_is_found_before_the_scores_are_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = embedded(tmp_path / "embedded")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OutputError, match="scores cannot be written to: No space left on device"):
        match(source, tmp_path / "scores")
    assert [path.name for path in (tmp_path / "scores").iterdir()] == [".lock"]


def test_scores_that_the_disk_has_no_room_for_are_refused_and_earlier_ones_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source, out = embedded(tmp_path / "embedded"), tmp_path / "scores"
    command = ["match", str(source), "-o", str(out)]
    told = CliRunner().invoke(cli, command)
    assert told.exit_code == 0 and "GB" not in told.output
    kept = {path.name: path.read_bytes() for path in out.glob("[!.]*")}
    usage = shutil.disk_usage(out)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=50))
    refused = CliRunner().invoke(cli, command)
    assert refused.exit_code == 1 and isinstance(refused.exception, SystemExit)
    assert "scores take" in refused.output and "5e-08 GB left" in refused.output and "irisstn search" in refused.output
    assert {path.name: path.read_bytes() for path in out.glob("[!.]*")} == kept and read_scores(out).names
    monkeypatch.setattr("irisstn.cli.evaluation._LARGE_BYTES", 0)
    assert "GB in " in CliRunner().invoke(cli, command).output


def test_one_writer_at_a_time(tmp_path: Path):
    runs = read_runs([embedded(tmp_path / "embedded")], None, [0])
    out = tmp_path / "out"
    out.mkdir()
    with locked(out):
        with pytest.raises(OutputError, match="in use"):
            match(tmp_path / "embedded", out)
        with pytest.raises(OutputError, match="in use"):
            write_evaluation(runs, out, resamples=0)
        with pytest.raises(OutputError, match="in use"):
            write_eyes(out, subjects=1, captures=1, seed=0)
        assert [path.name for path in out.iterdir()] == [".lock"]


@pytest.mark.parametrize("overwrite", [True, False])
def test_files_about_all_outputs_are_gone_until_a_run_has_ended(tmp_path: Path, overwrite: bool):
    for name in (EMBEDDINGS, REPORT):
        (tmp_path / name).write_text("of an earlier run")
    with open_output_folder(tmp_path, {"config": {}}, overwrite=overwrite):
        assert not (tmp_path / EMBEDDINGS).exists() and not (tmp_path / REPORT).exists()


def test_a_set_of_rendered_eyes_holds_no_strangers(tmp_path: Path):
    eyes = write_eyes(tmp_path, subjects=1, captures=2, seed=1, cameras=["small-320x240"])
    first = {path.relative_to(eyes): path.read_bytes() for path in eyes.rglob("*.png")}
    assert len(first) == 4
    with pytest.raises(OutputError, match=r"made with captures 2 \(now 1\); seed 1 \(now 2\).*--overwrite"):
        write_eyes(tmp_path, subjects=1, captures=1, seed=2, cameras=["small-320x240"])
    assert {path.relative_to(eyes): path.read_bytes() for path in eyes.rglob("*.png")} == first
    write_eyes(tmp_path, subjects=1, captures=1, seed=2, cameras=["small-320x240"], overwrite=True)
    records = [json.loads(line) for line in (tmp_path / "truth/truth.jsonl").read_text().splitlines()]
    pictures = {path.relative_to(eyes).as_posix(): path.read_bytes() for path in eyes.rglob("*.png")}
    assert {str(record["path"]): record["sha256"] for record in records} == {
        name: hashlib.sha256(data).hexdigest() for name, data in pictures.items()
    }
    assert len(pictures) == 2 and len(list((tmp_path / "truth/masks").rglob("*.png"))) == 2
    (eyes / "stranger.png").write_bytes(b"")
    for again in (False, True):
        with pytest.raises(OutputError, match=r"1 other files, such as eyes/stranger\.png"):
            write_eyes(tmp_path, subjects=1, captures=1, seed=2, cameras=["small-320x240"], overwrite=again)


def test_templates_tell_what_they_were_read_from(tmp_path: Path):
    assert read_templates(embedded(tmp_path)).source_sha256 == manifest_digest(tmp_path)
    made = Templates(("a",), (Label("1"),), {}, embeddings=np.ones((1, 2), np.float32))
    assert made.source_sha256 == ""


def test_embeddings_of_an_earlier_content_are_refused(tmp_path: Path):
    gather_embeddings(embedded(tmp_path))
    names, embeddings = read_embeddings(tmp_path)
    assert len(names) == 12 and embeddings.shape == (12, 16) and names[0] == "000/L/000L0.png"
    np.testing.assert_array_equal(embeddings[4], np.load(tmp_path / "embeddings/1-1.npy"))
    whole = (tmp_path / EMBEDDINGS).read_bytes()
    embedded(tmp_path, seed=1)
    with pytest.raises(DatasetError, match=r"npz was made from an earlier content of its folder: run `irisstn embed`"):
        read_embeddings(tmp_path)
    for damaged in (whole[:100], b"", None):
        (tmp_path / EMBEDDINGS).unlink()
        if damaged is not None:
            (tmp_path / EMBEDDINGS).write_bytes(damaged)
        with pytest.raises(DatasetError, match=r"npz is missing or damaged: run `irisstn embed` again"):
            read_embeddings(tmp_path)


def test_ground_truth_of_other_pictures_is_refused(tmp_path: Path):
    eyes = write_eyes(tmp_path, subjects=1, captures=1, seed=1, cameras=["small-320x240"])
    records = read_truth(tmp_path)
    assert [record["path"] for record in records] == ["001/L/001L01.png", "001/R/001R01.png"]
    shutil.copy(eyes / "001/L/001L01.png", eyes / "001/R/001R01.png")
    with pytest.raises(DatasetError, match=r"001R01\.png is not the picture that .*truth\.jsonl was written for"):
        read_truth(tmp_path)
    (tmp_path / "truth/truth.jsonl").write_text('{"path": "../x.png", "sha256": ""}')
    with pytest.raises(DatasetError, match="leads out of its folder"):
        read_truth(tmp_path)
    (tmp_path / "truth/truth.jsonl").unlink()
    with pytest.raises(DatasetError, match="missing or damaged: run `irisstn synth` again"):
        read_truth(tmp_path)


def test_a_record_that_names_no_file_is_named(tmp_path: Path):
    embedded(tmp_path)
    with (tmp_path / "manifest.jsonl").open("a") as manifest:
        manifest.write(json.dumps({"path": "x.png", "status": "ok", "embedding": [[5] * 900] * 900}) + "\n")
    with pytest.raises(
        DatasetError, match=r"manifest\.jsonl: embedding of the record of x\.png: .* is no file name"
    ) as error:
        read_templates(tmp_path)
    assert len(str(error.value)) < 600


def test_what_killed_processes_left_unfinished_is_removed(tmp_path: Path):
    source, name = embedded(tmp_path / "embedded"), ".4711-0a1b2c3d.tmp"
    for out in (tmp_path / "scores", tmp_path / "set/eyes/001/L", tmp_path / "set/truth"):
        out.mkdir(parents=True)
        (out / name).write_bytes(bytes(100))
    (tmp_path / "scores/.mine.tmp").write_bytes(b"")
    assert len(read_scores(match(source, tmp_path / "scores")).names) == 12
    write_eyes(tmp_path / "set", subjects=1, captures=1, seed=1, cameras=["small-320x240"])
    assert len(read_truth(tmp_path / "set")) == 2
    assert [path.name for path in tmp_path.rglob("*.tmp")] == [".mine.tmp"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="names of open files are looked up in /proc")
def test_whenever_the_power_goes_scores_are_whole_or_refused(tmp_path: Path):
    source, out = embedded(tmp_path / "embedded"), tmp_path / "scores"
    with (source / "manifest.jsonl").open("a") as manifest:
        manifest.write('{"path": "000/L/failed.png", "status": "failed"}\n')
    with watch_syncs(out, every_sync=True) as disk:
        match(source, out)
    whole, read = read_scores(out), 0
    assert len(whole.failed) == 1
    for number, left in enumerate(disk.cuts):
        (tmp_path / f"{number}").mkdir()
        restore(left, tmp_path / f"{number}")
        if left.get("match.json"):
            held = read_scores(tmp_path / f"{number}")
            assert (held.names, held.failed) == (whole.names, whole.failed)
            assert np.array_equal(held.distances, whole.distances)
            read += 1
        else:
            with pytest.raises(DatasetError, match="no complete scores"):
                read_scores(tmp_path / f"{number}")
    assert 0 < read < len(disk.cuts)
