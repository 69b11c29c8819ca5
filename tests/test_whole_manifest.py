"""Results are refused where records that they would be made of are damaged or missing."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from irisstn.cli import cli
from irisstn.errors import DatasetError
from irisstn.evaluation import read_templates

SAMPLE = Path(__file__).parents[1] / "data" / "sample"


def command(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli, [*map(str, arguments)])
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("eyes")
    for name in ("001/L/001L01.png", "001/L/001L02.png"):
        shutil.copy(SAMPLE / name, folder / Path(name).name)
    for number in range(4):
        (folder / f"0-{number}.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def finished(eyes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("segmented") / "out"
    assert segment(eyes, out) == 3
    assert len(read_templates(out).names) == 2
    return out


def segment(eyes: Path, out: Path) -> int:
    return command("segment", eyes, "-o", out, "--workers", 1, "--quiet", "--no-durable")[0]


@pytest.fixture
def out(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "out"))


def destroy_begin(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], b"\0\0\0" + lines[-1][3:]]


def destroy_middle(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], lines[-1][:200] + b"\x01\xff" + lines[-1][202:]]


def destroy_status(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], lines[-1].replace(b'"status":"ok"', b'"status":"o_"')]


def remove_last(lines: list[bytes]) -> list[bytes]:
    return lines[:-1]


def cut_last(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], lines[-1][:-5]]


@pytest.mark.parametrize("harm", [destroy_begin, destroy_middle, destroy_status, remove_last, cut_last])
def test_a_damaged_or_missing_record_is_refused_and_made_anew(harm, out: Path, eyes: Path, tmp_path: Path) -> None:
    manifest = out / "manifest.jsonl"
    before = manifest.read_bytes()
    manifest.write_bytes(b"".join(harm(before.splitlines(keepends=True))))
    assert manifest.read_bytes() != before
    with pytest.raises(DatasetError, match=r"1 record of .* is damaged or missing \(run.json counts 6\): run the comm"):
        read_templates(out)
    table = tmp_path / "table.csv"
    for arguments in (("match", out, "-o", tmp_path / "scores"), ("measure", out, "--csv", table), ("quality", out)):
        code, output = command(*arguments)
        assert code == 2 and "damaged or missing" in output and len(output.splitlines()) == 1
    assert not table.exists() and not (tmp_path / "scores").exists()
    assert segment(eyes, out) == 3
    assert len(read_templates(out).names) == 2
    found = [json.loads(line) for line in manifest.read_bytes().splitlines()]
    assert [one["path"] for one in found] == [json.loads(line)["path"] for line in before.splitlines()]


def test_several_are_counted(out: Path) -> None:
    lines = (out / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    (out / "manifest.jsonl").write_bytes(b"".join(lines[2:]))
    with pytest.raises(DatasetError, match=r"2 records of .* are damaged or missing \(run.json counts 6\)"):
        read_templates(out)


def test_a_run_that_was_killed_or_that_nothing_is_known_of_is_read(out: Path) -> None:
    manifest, run = out / "manifest.jsonl", out / "run.json"
    lines = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(b"".join([*lines[1:], lines[0][:30]]))
    run.write_text(json.dumps(json.loads(run.read_text()) | {"finished": None, "counts": {}}))
    assert len(read_templates(out).names) == 2
    run.unlink()
    assert len(read_templates(out).names) == 2
    manifest.write_bytes(b"".join([destroy_begin(lines[:1])[0], *lines[1:]]))
    with pytest.raises(DatasetError, match=r"1 record of .* is damaged or missing: run"):
        read_templates(out)
