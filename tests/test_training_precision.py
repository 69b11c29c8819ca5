"""The precision of a training run: chosen, or as the settings say in their present and earlier form."""

import pytest
import torch

from irisstn.config import load_config
from irisstn.errors import ConfigError
from irisstn.training import TrainConfig, choose_precision


def test_a_given_precision_is_taken_and_auto_is_one_of_both():
    assert [choose_precision(wanted, on_gpu=False) for wanted in ("float32", "bfloat16")] == ["float32", "bfloat16"]
    assert choose_precision("auto", on_gpu=False) in ("float32", "bfloat16")


@pytest.mark.parametrize(("supported", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_decides_by_what_it_supports(monkeypatch, supported, precision):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert choose_precision("auto", on_gpu=True) == precision


def test_the_earlier_setting_is_read_and_beats_auto_alone():
    assert TrainConfig().precision == "auto"
    assert load_config(TrainConfig, None, ["bfloat16=true"]).precision == "bfloat16"
    assert load_config(TrainConfig, None, ["precision=auto", "bfloat16=false"]).precision == "float32"
    with pytest.raises(ConfigError, match="contradicts"):
        load_config(TrainConfig, None, ["precision=float32", "bfloat16=true"])
    with pytest.raises(ConfigError, match="true or false"):
        load_config(TrainConfig, None, ["bfloat16=1"])
