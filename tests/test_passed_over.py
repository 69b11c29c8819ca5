"""What a source holds besides pictures is counted, and what cannot be read is an error."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from click.testing import CliRunner, Result

from irisstn.batch import find_inputs
from irisstn.cli import cli
from irisstn.datasets import find_images, passed_over_text
from irisstn.errors import DatasetError
from irisstn.images import encode_png, to_gray
from irisstn.synthetic import CAMERAS, Identity, render, sample_capture

OTHERS = ["b.psd", "c.RAW", "d.mp4", "deep/e.tga", "S1001L01", "1.2.840.113", ".hidden.png", ".git/a.png"]
COUNTS = {".psd": 1, ".raw": 1, ".mp4": 1, ".tga": 1, "no suffix": 2, "hidden": 2}


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def counted(*sources: Path | str, exclude: Path | None = None) -> tuple[list[str], dict[str, int]]:
    counts: Counter[str] = Counter()
    return [sample.name for sample in find_images(sources, exclude=exclude, passed_over=counts)], dict(counts)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_files_of_a_folder_are_counted_by_suffix(tmp_path: Path):
    touch(tmp_path, "a.png", *OTHERS)
    assert counted(tmp_path) == (["a.png"], COUNTS)
    assert counted(f"{tmp_path}/*") == (["a.png"], {".psd": 1, ".raw": 1, ".mp4": 1, "no suffix": 2})
    assert counted(tmp_path / "a.png") == (["a.png"], {})


def test_earlier_outputs_are_counted_and_their_files_are_not(tmp_path: Path):
    touch(tmp_path, "a.png", "old/manifest.jsonl", "old/strips/a.png", "old/run.json", "truth/truth.jsonl", "out/x.txt")
    touch(tmp_path, "truth.jsonl")
    assert counted(tmp_path, exclude=tmp_path / "out") == (["a.png"], {"earlier outputs": 2})


def test_where_there_is_no_picture_the_error_says_what_there_is(tmp_path: Path):
    touch(tmp_path, *OTHERS)
    with pytest.raises(DatasetError, match=r"no pictures in .*: 6 files passed over \(no suffix 2, \.mp4 1, "):
        find_images([tmp_path])


def test_an_output_folder_that_is_a_source_is_named_as_the_reason(tmp_path: Path):
    touch(tmp_path, "in/a.png", "other/b.png")
    for sources in (["in"], ["in", "other"]):
        done = run("segment", *(tmp_path / name for name in sources), "-o", tmp_path / "in", "--workers", "1")
        assert done.exit_code == 2 and "in is the output folder, too" in done.output
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["a.png"]
    assert counted(tmp_path / "in", exclude=tmp_path / "in/out")[0] == ["a.png"]


def test_many_kinds_fit_one_line():
    text = passed_over_text({f".x{number:02d}": 1 for number in range(30)})
    assert text.startswith("30 files passed over (.x00 1, ") and text.endswith(", ...)") and len(text) < 100
    assert passed_over_text({"hidden": 2}) == "0 files passed over, 2 hidden"


def test_files_at_a_url_are_counted(request: pytest.FixtureRequest):
    url = f"memory://{request.node.name}"
    for name in ("a.png", *OTHERS, "old/manifest.jsonl", "old/strips/a.png"):
        fsspec.filesystem("memory").pipe_file(f"{url}/{name}", b"x")
    counts: Counter[str] = Counter()
    assert [sample.name for sample in find_inputs([url], strips=False, passed_over=counts)] == ["a.png"]
    assert counts == COUNTS


def test_the_summary_and_run_json_hold_the_counts(tmp_path: Path):
    touch(tmp_path / "in", *OTHERS)
    eye = render(Identity.from_seed(1), sample_capture(np.random.default_rng(1), CAMERAS["close-320x240"])).image
    (tmp_path / "in/a.png").write_bytes(encode_png(to_gray(eye)))
    result = run("segment", tmp_path / "in", "-o", tmp_path / "out")
    assert "6 files passed over (no suffix 2, .mp4 1, .psd 1, .raw 1, .tga 1), 2 hidden" in result.output
    assert json.loads((tmp_path / "out/run.json").read_text())["counts"]["passed_over"] == COUNTS
    result = run("segment", tmp_path / "in", "-o", tmp_path / "out", "--json")
    assert json.loads(result.output)["passed_over"] == COUNTS
    alone = run("segment", tmp_path / "in/a.png", "-o", tmp_path / "alone")
    assert alone.exit_code == 0 and "passed over" not in alone.output


@pytest.mark.parametrize("source", ["in", "in/*/*.png", "in/**/*.png", "in/**"])
@pytest.mark.parametrize("where", ["in", "in/locked"])
def test_a_folder_that_cannot_be_read_is_an_error(
    source: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    touch(tmp_path, "in/a.png", "in/free/c.png", "in/locked/b.png")
    scandir = os.scandir

    def refusing(path: Any) -> Iterator["os.DirEntry[str]"]:
        if Path(path) == tmp_path / where:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    with monkeypatch.context() as patch:  # permissions would not stop the administrator
        patch.setattr(os, "scandir", refusing)
        result = run("segment", tmp_path / source, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert f"{tmp_path / where} cannot be read: Permission denied" in " ".join(result.output.split())


def test_a_source_that_cannot_be_examined_is_not_called_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stat = Path.stat

    def refusing(path: Path, **options: Any) -> os.stat_result:
        if path.name == "a.png":
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", refusing)
        with pytest.raises(DatasetError, match="cannot be read: Permission denied"):
            find_images([tmp_path / "a.png"])
    with pytest.raises(DatasetError, match="does not exist"):
        find_images([tmp_path / "a.png"])
    with pytest.raises(DatasetError, match="does not exist"):
        find_images(["a\0.png"])
