"""Weights files: the same bytes for the same weights, and no harm from files of unknown origin."""

import json
import pickle
import struct

import pytest
import torch
from safetensors.torch import save
from torch import nn

from irisstn.errors import WeightsError
from irisstn.weights import MAX_BYTES
from irisstn.weights_file import load_state, pack_weights, read_weights


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


def header_of(**header: object) -> dict[str, str]:
    return {"irisstn": json.dumps(header)}


def test_a_round_trip(tmp_path):
    path, module = tmp_path / "w.safetensors", small()
    path.write_bytes(pack_weights(module, "toy-1", {"b": 2, "a": [1, "x"]}))
    config, state = read_weights(path, "toy-1")
    assert config == {"a": [1, "x"], "b": 2}
    other = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    load_state(other, state, path)
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), other.parameters(), strict=True))


def test_the_same_weights_make_the_same_bytes():
    packed = {pack_weights(small(), "toy-1", {"a": 1, "b": 2}) for _ in range(5)}
    packed |= {
        pack_weights(small(), "toy-1", {"b": 2, "a": 1}),
        pack_weights(small().double(), "toy-1", {"a": 1, "b": 2}),
    }
    assert len(packed) == 1
    assert pack_weights(small(), "toy-1", {"a": 2, "b": 2}) not in packed


def test_files_that_are_no_weights_are_named(tmp_path):
    good = pack_weights(small(), "toy-1", {})
    state = small().state_dict()
    cases = {
        "empty": b"",
        "text": b"hello, this is a text file, not weights\n" * 20,
        "random": bytes(range(256)) * 40,
        "pickle": pickle.dumps(state),
        "truncated": good[: len(good) // 2],
        "no header": save(state),
        "length beyond the file": struct.pack("<Q", 1 << 40) + b"{}",
        "header is no JSON": save(state, {"irisstn": "{"}),
        "header is a list": save(state, {"irisstn": "[]"}),
        "deep header": save(state, {"irisstn": "[" * 60_000}),
        "large header": save(state, {"irisstn": json.dumps({"kind": "toy-1", "config": {"x": "y" * 70_000}})}),
        "another kind": save(state, header_of(kind="other-1", config={})),
        "no config": save(state, header_of(kind="toy-1")),
        "its config is no mapping": save(state, header_of(kind="toy-1", config=[1])),
    }
    for name, data in cases.items():
        path = tmp_path / "w.safetensors"
        path.write_bytes(data)
        with pytest.raises(WeightsError) as caught:
            read_weights(path, "toy-1")
        assert str(path) in caught.value.reason and "\n" not in str(caught.value), name
        assert "'toy-1', not 'toy-1'" not in caught.value.reason, name


def test_missing_files_folders_and_giants_are_named(tmp_path):
    with pytest.raises(WeightsError, match="cannot be read"):
        read_weights(tmp_path / "none.safetensors", "toy-1")
    with pytest.raises(WeightsError):
        read_weights(tmp_path, "toy-1")
    giant = tmp_path / "giant.safetensors"
    with giant.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(WeightsError, match="more than"):
        read_weights(giant, "toy-1")


def test_tensors_that_do_not_fit_are_named(tmp_path):
    module, path = small(), tmp_path / "w"
    good = dict(module.state_dict())
    cases = {
        "missing 0.weight": {k: v for k, v in good.items() if k != "0.weight"},
        "unknown extra": good | {"extra": torch.zeros(1)},
        r"\(5, 3\)": good | {"0.weight": torch.zeros(5, 3)},
        "float16": good | {"0.weight": good["0.weight"].half()},
        "int64": good | {"0.weight": good["0.weight"].long()},
        "NaN": good | {"0.bias": torch.full((4,), float("nan"))},
        "infinity": good | {"1.bias": torch.tensor([0.0, float("inf")])},
    }
    for reason, state in cases.items():
        before = [p.clone() for p in module.parameters()]
        with pytest.raises(WeightsError, match=reason):
            load_state(module, state, path)
        assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True)), "left as it was"
