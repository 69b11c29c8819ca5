"""Training in two processes: they train on different batches, make the same steps, and only the first one writes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from irisstn.config import load_config
from irisstn.errors import ConfigError
from irisstn.rectification.rectifier import Rectifier
from irisstn.training import TrainConfig
from irisstn.training.data.batches import StepSampler
from irisstn.training.run_folder import read_metrics

SCRIPT = Path(__file__).parent / "two_processes.py"


def test_processes_share_out_the_batches_of_an_epoch():
    parts = [list(StepSampler(6, lambda: 2, rank=rank, processes=3)) for rank in range(3)]
    assert parts == [[(2, 0), (2, 3)], [(2, 1), (2, 4)], [(2, 2), (2, 5)]]
    assert len(StepSampler(6, lambda: 0, rank=1, processes=3)) == 2
    with pytest.raises(ConfigError, match="multiple of devices x nodes"):
        load_config(TrainConfig, None, ["steps_per_epoch=50", "devices=2", "nodes=2"])


def run_in_two_processes(*arguments: object) -> int:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        # The script imports what tests import: the folders that pytest's `pythonpath` names.
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def test_two_processes_average_gradients_and_continue_after_a_kill(tmp_path: Path):
    run = tmp_path / "run"
    assert run_in_two_processes(run, 2, 1) == -signal.SIGKILL
    assert [row["epoch"] for row in read_metrics(run)] == [1]
    assert run_in_two_processes(run, 2) == 0
    assert [row["epoch"] for row in read_metrics(run)] == [1, 2]
    assert json.loads((run / "run.json").read_text())["finished"] is True
    assert not (run / "eyes").exists()

    def recorded(what: str, epoch: int, rank: int) -> dict[str, torch.Tensor]:
        return load_file(tmp_path / "run-notes" / f"{what}-{epoch}-{rank}.safetensors")

    for epoch in (0, 1):
        own, averaged, weights = (
            [recorded(what, epoch, rank) for rank in (0, 1)] for what in ("own", "averaged", "weights")
        )
        assert len(weights[0]) > 20
        for name, first in weights[0].items():
            assert torch.equal(first, weights[1][name]), name
        for name, gradient in averaged[0].items():
            assert torch.equal(gradient, averaged[1][name]), name
            torch.testing.assert_close(gradient, (own[0][name] + own[1][name]) / 2, rtol=1e-3, atol=1e-6)
        assert not all(torch.allclose(own[0][name], own[1][name], rtol=0.1) for name in own[0])
    # What the first process wrote is what both hold.
    kept = Rectifier.load(run).state_dict()
    best = min((0, 1), key=lambda epoch: read_metrics(run)[epoch]["validation_loss"])
    held = {name.removeprefix("rectifier."): value for name, value in recorded("weights", best, 1).items()}
    shared = set(kept) & set(held)
    assert len(shared) > 5
    assert all(torch.equal(kept[name], held[name]) for name in shared)
