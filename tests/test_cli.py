# mypy: disable-error-code="arg-type"
"""The commands, called as a user calls them."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner, Result
from report_data import data_of_page

import irisstn
from irisstn.cli import cli
from irisstn.datasets import find_images
from irisstn.evaluation import RESAMPLES
from irisstn.outputs.manifest import read_manifest
from irisstn.segmentation import InputKind
from irisstn.worker_server import LIMIT_S

COMMANDS = ["segment", "rectify", "embed", "match", "evaluate", "synth", "train", "export", "settings", "doctor"]


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def few(eyes: Path, tmp_path: Path) -> Path:
    """A folder of four pictures, to be written to."""
    for sample in find_images([eyes])[::3]:
        target = tmp_path / "few" / sample.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sample.path, target)
    return tmp_path / "few"


def test_help_names_the_commands_and_imports_nothing_slow():
    result = run("--help")
    assert result.exit_code == 0
    assert all(re.search(rf"^  {command} ", result.output, re.MULTILINE) for command in COMMANDS)
    for command in COMMANDS:
        help_text = run(command, "-h").output
        assert "Usage" in help_text and f"irisstn {command}" in help_text.partition("Example")[2], command
    check = (
        "import contextlib, sys; from irisstn.cli import cli\n"
        "with contextlib.suppress(SystemExit): cli(['--help'])\n"
        "assert not {'numpy', 'cv2', 'pydantic', 'rich', 'jinja2', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check], check=True, capture_output=True)
    assert re.match(r"irisstn \d+\.\d+", run("--version").output)


def test_help_shows_the_defaults_of_the_code():
    assert f"default: {LIMIT_S}" in " ".join(run("segment", "-h").output.split())
    assert f"default: {RESAMPLES}" in " ".join(run("evaluate", "-h").output.split())
    assert f"[{'|'.join(get_args(InputKind))}]" in run("rectify", "-h").output


@pytest.mark.parametrize("option", ["--captures", "--shots"])
def test_synth_takes_the_number_of_captures_under_two_names(option: str, tmp_path: Path):
    result = run("synth", "-o", tmp_path, "--subjects", 1, option, 2, "--workers", 1)
    assert "4 pictures" in result.output
    assert len(list((tmp_path / "eyes").rglob("*.png"))) == 4


def test_segment_and_again(few: Path, tmp_path: Path):
    out = tmp_path / "out"
    result = run("segment", few, "-o", out, "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "4 done, 0 failed" in result.output
    assert f"open {out}/report.html" in result.output
    assert len(list(read_manifest(out))) == 4
    assert "0 done, 0 failed, 4 already done" in run("segment", few, "-o", out).output
    result = run("segment", few, "-o", out, "--size", "32x256")
    assert result.exit_code == 2
    assert "size [64, 512] (now [32, 256])" in result.output
    result = run("segment", few, "-o", out, "--size", "32x256", "--overwrite", "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    assert json.loads((out / "run.json").read_text())["config"]["size"] == [32, 256]


def test_failures_are_counted_and_listed_and_exit_with_3(few: Path, tmp_path: Path):
    (few / "text.jpg").write_text("no picture")
    (few / "zero.png").touch()
    result = run("segment", few, "-o", tmp_path / "out", "--json")
    assert result.exit_code == 3
    summary = json.loads(result.output)
    assert (summary["done"], summary["failed"], summary["total"]) == (4, 2, 6)
    assert sum(summary["reasons"].values()) == 2
    assert Path(summary["report"]).is_file()
    again = run("segment", few, "-o", tmp_path / "out")
    assert again.exit_code == 3
    assert "1 x read: the file is empty" in again.output
    first = run("segment", few, "-o", tmp_path / "fast", "--fail-fast", "--workers", 1)
    assert first.exit_code == 3
    assert "1 failed, 1 left for the next run" in first.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["segment"], "Missing argument"),
        (["segment", "none"], "none does not exist"),
        (["segment", "."], "no pictures"),
        (["segment", "EYES", "--workers", "0"], "x>=1"),
        (["segment", "EYES", "--size", "64"], "size"),
        (["segment", "EYES", "--size", "0x9999"], "size"),
        (["segment", "EYES", "--set", "segmentation.min_trus=1"], "did you mean min_trust"),
        (["segment", "EYES", "--config", "none.yaml"], "none.yaml"),
        (["segment", "EYES", "-o", "file"], "cannot be made"),
        (["rectify", "EYES", "--model", "none"], "none cannot be read"),
        (["rectify", "EYES", "--input", "face"], "face"),
        (["synth", "-o", "x", "--subjects", "0"], "x>=1"),
        (["synth", "-o", "x", "--camera", "none"], "camera"),
        (["train", "none", "-o", "x"], "none"),
        (["train", "--set", "epochz=1"], "did you mean epochs"),
        (["strip"], "No such command"),
    ],
)
def test_misuse_exits_with_2_and_says_why(
    arguments: list[str], words: str, eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    result = run(*(str(eyes) if argument == "EYES" else argument for argument in arguments))
    assert result.exit_code == 2, result.output
    assert words in result.output
    assert "Traceback" not in result.output


def test_outputs_are_written_to_the_current_folder(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    result = run("segment", "few")
    assert "few-segmented/report.html" in result.output
    assert len(list(read_manifest(tmp_path / "few-segmented"))) == 4
    monkeypatch.chdir(few)
    assert run("segment", ".").exit_code == 0
    assert run("segment", ".").output.startswith("0 done, 0 failed, 4 already done")
    assert len(list(read_manifest(few / "few-segmented"))) == 4


def test_settings_from_a_file_and_from_flags(few: Path, tmp_path: Path):
    (tmp_path / "my.yaml").write_text("size: [32, 128]\nsegmentation:\n  working_radius: 90\n")
    out = tmp_path / "out"
    flags = [
        "--config",
        tmp_path / "my.yaml",
        "--set",
        "segmentation.working_radius=80",
        "--size",
        "16x64",
        "--overlays",
    ]
    assert run("segment", few, "-o", out, *flags).exit_code == 0
    config = json.loads((out / "run.json").read_text())["config"]
    assert (config["size"], config["overlays"], config["segmentation"]["working_radius"]) == ([16, 64], True, 80)
    assert len(list((out / "overlays").rglob("*.jpg"))) == 4


def test_drawings_are_added_to_a_finished_run(few: Path, tmp_path: Path):
    out = tmp_path / "out"
    assert run("segment", few, "-o", out, "--size", "16x64").exit_code == 0
    kept = {path: path.read_bytes() for path in (out / "strips").rglob("*.png")}
    assert len(kept) == 4
    away = min(few.rglob("*.png"))
    hidden = away.rename(tmp_path / "away.png")
    away.mkdir()  # a picture that cannot be read now keeps what it has
    added = run("segment", few, "-o", out, "--size", "16x64", "--overlays")
    assert len(list((out / "overlays").rglob("*.jpg"))) == 3, added.output
    away.rmdir()
    hidden.rename(away)
    added = run("segment", few, "-o", out, "--size", "16x64", "--overlays")
    assert added.exit_code == 0 and "1 done, 0 failed, 3 already done" in added.output
    assert len(list((out / "overlays").rglob("*.jpg"))) == 4
    assert {path: path.read_bytes() for path in (out / "strips").rglob("*.png")} == kept
    refused = run("segment", few, "-o", out, "--size", "16x64")
    assert refused.exit_code == 2 and "overlays true (now false)" in refused.output
    refused = run("segment", few, "-o", out, "--size", "32x64", "--overlays")
    assert refused.exit_code == 2 and "size" in refused.output


def test_synth_then_rectify_with_own_weights_and_variants(tmp_path: Path):
    result = run("synth", "-o", tmp_path / "eyes", "--subjects", 1, "--captures", 1, "--seed", 3, "--workers", 1)
    assert "2 pictures" in result.output
    from irisstn.rectification.rectifier import Rectifier  # noqa: PLC0415  (torch only where it is tested)

    Rectifier().save(tmp_path / "run/rectifier.safetensors")
    out = tmp_path / "out"
    result = run(
        "rectify", tmp_path / "eyes", "-o", out, "--model", tmp_path / "run", "--augment", 1, "--size", "32x256"
    )
    assert result.exit_code == 0, result.output
    assert len([record for record in read_manifest(out) if record["status"] == "ok"]) == 4
    page = (out / "report.html").read_text()
    rows = data_of_page(out)["rows"]
    assert len(rows) == 2 and all(row["given"].startswith("data:image/jpeg;base64,") for row in rows)
    assert "irisstn rectify" in page


def test_the_page_loads_nothing_from_elsewhere_and_lists_failures(few: Path, tmp_path: Path):
    (few / "<b>&.png").write_text("no picture")
    out = tmp_path / "out"
    run("segment", few, "-o", out)
    page = (out / "report.html").read_text()
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "default-src 'none'" in page
    assert "<b>&" not in page
    rows = {row["name"]: row for row in data_of_page(out)["rows"]}
    failure = rows.pop("<b>&.png")
    assert "no picture" in data_of_page(out)["reasons"][failure["failed"]] or failure["failed"] == 0
    assert len(rows) == 4
    for name, row in rows.items():
        assert row["files"]["strip"] == 2 and (out / f"strips/{name}").is_file()
        assert row["input"] == 1 and (out / data_of_page(out)["inputs"] / name).is_file()
        assert row["eye"][0].startswith("data:image/jpeg;base64,")
    before = (out / "report.html").read_bytes()
    run("segment", few, "-o", out)
    assert (out / "report.html").read_bytes() == before


def test_ctrl_c_ends_with_130_and_the_next_run_resumes(few: Path, tmp_path: Path):
    out = tmp_path / "out"
    for number in range(15):
        shutil.copytree(few, few / f"copy{number}", ignore=shutil.ignore_patterns("copy*"))
    command = [sys.executable, "-m", "irisstn", "segment", str(few), "-o", str(out), "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while not (out / "manifest.jsonl").exists() or (out / "manifest.jsonl").stat().st_size == 0:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "left for the next run" in output
    assert run("segment", few, "-o", out).exit_code == 0
    assert len(list(read_manifest(out))) == 64


def test_settings_are_listed_with_default_range_and_meaning():
    listed = run("settings", "rectify").output
    assert "  roll_prior_deg = 0.7   (number, 0..45)\n      standard deviation of the head's roll" in listed
    assert "irisstn segment" not in listed
    every = json.loads(run("settings", "--json").output)
    assert list(every) == ["segment", "rectify", "embed", "train"]
    (epochs,) = [setting for setting in every["train"] if setting["name"] == "epochs"]
    assert {"kind": "whole number", "default": "40"}.items() <= epochs.items()


def test_doctor_describes_and_tests_the_installation():
    result = run("doctor")
    assert re.search(r"^opencv\S* +\d", result.output, re.MULTILINE)
    assert ".png .jpg" in result.output
    shipped = list((Path(irisstn.__file__).parent / "weights").glob("*.safetensors"))
    assert (result.exit_code, "passed" in result.output) == ((0, True) if shipped else (1, False)), result.output


def test_an_interrupt_ends_a_command_with_one_line(monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("irisstn.doctor.describe", interrupted)
    result = CliRunner().invoke(cli, ["doctor"])
    assert (result.exit_code, result.output) == (130, "Interrupted\n")


def test_an_interrupt_while_the_command_line_is_imported_ends_it_with_one_line():
    code = (
        "import runpy, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'irisstn.cli.evaluation':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.argv = ['irisstn', '--help']\n"
        "runpy.run_module('irisstn', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted\n")
