# mypy: disable-error-code="no-untyped-def, attr-defined, dict-item, operator"
"""Training that is interrupted, or whose rendering processes are killed."""

import json
import multiprocessing

import pytest
from click.testing import CliRunner
from toy_training import TRAINING

from irisstn.cli import cli
from irisstn.progress import StageProgress
from irisstn.training.data.rendered_eyes import RenderedConfig, RenderedEyes


def test_a_rendering_process_that_is_killed_ends_a_run_in_one_line_and_it_resumes(tmp_path, monkeypatch):
    killed: list[multiprocessing.process.BaseProcess] = []
    update = StageProgress.update

    def kill(self, stage, done, total):
        if stage == "rendering" and not killed:
            killed.extend(multiprocessing.active_children())
            for process in killed:
                process.kill()
        update(self, stage, done, total)

    monkeypatch.setattr(StageProgress, "update", kill)
    settings, out = tmp_path / "toy.yaml", tmp_path / "run"
    one_a_file = TRAINING["rendered"] | {"identities_per_file": 1}
    settings.write_text(json.dumps(TRAINING | {"epochs": 1, "rendered": one_a_file}))  # JSON is YAML, too
    command = ["train", "--config", str(settings), "-o", str(out)]
    done = CliRunner().invoke(cli, command)
    assert killed and done.exit_code == 1 and isinstance(done.exception, SystemExit)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert "a process that renders eyes was killed" in line and "again to continue" in line
    kept = {file.name: file.stat().st_mtime_ns for file in (out / "eyes").glob("*.npz")}
    assert kept and json.loads((out / "run.json").read_text())["finished"] is False
    begun = len(killed)
    assert CliRunner().invoke(cli, command).exit_code == 0 and len(killed) == begun
    assert json.loads((out / "run.json").read_text())["finished"] is True


def test_rendering_ends_at_once_when_training_does(tmp_path):
    config = RenderedConfig(identities=2000, captures=4, validation_identities=2, identities_per_file=1000)
    with pytest.raises(KeyboardInterrupt), RenderedEyes(config, 7, tmp_path) as rendered:
        rendered.validation()
        (process,) = multiprocessing.active_children()  # now at a file of some minutes
        raise KeyboardInterrupt
    assert not process.is_alive()
    assert [file.name for file in tmp_path.glob("*.npz")] == [f"{1 << 39}-2.npz"]  # that of validation
