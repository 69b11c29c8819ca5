"""Files that are no files: endless, enormous or waiting for a writer. They are refused before they are read."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from irisstn.batch.jobs.embed import EmbedConfig, EmbedJob
from irisstn.batch.jobs.rectify import RectifyConfig, RectifyJob
from irisstn.batch.jobs.segment import SegmentConfig
from irisstn.config import load_config
from irisstn.datasets import find_images, read_labels
from irisstn.errors import IrisError
from irisstn.files import write_bytes_atomic
from irisstn.outputs.settings import read_settings
from irisstn.recognition import Calibration, StripNet, StripNetConfig
from irisstn.rectification.rectifier import Rectifier

READERS: dict[str, Callable[[Path], object]] = {
    "config.yaml": lambda path: load_config(SegmentConfig, path),
    "model.safetensors": lambda path: RectifyJob.of(RectifyConfig(), path),
    "recognizer.safetensors": lambda path: EmbedJob.of(EmbedConfig(), path),
    "rectifier.safetensors": Rectifier.load,
    "network.safetensors": StripNet.load,
    "calibration.json": Calibration.load,
    "list.txt": lambda path: find_images([path]),
    "list.csv": lambda path: find_images([path]),
    "labels.csv": read_labels,
    "run.json": read_settings,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["endless", "enormous", "pipe"])
def test_it_is_refused_before_it_is_read(tmp_path: Path, name: str, kind: str):
    path = tmp_path / name
    if kind == "endless":
        if not Path("/dev/zero").exists():
            pytest.skip("no endless file here")
        path.symlink_to("/dev/zero")
    elif kind == "enormous":
        path.touch()
        os.truncate(path, 20 << 30)
    else:
        os.mkfifo(path)
    with pytest.raises(IrisError, match=r"cannot be read|holds no calibration"):
        READERS[name](path)


@pytest.mark.parametrize(
    "shape",
    [
        {"embedding": 1_500_000},
        {"channels": 10**9},
        {"sectors": 10**7},
        {"widths": (10**5,) * 4},
        {"size": (10**5, 256)},
        {"embedding": 8192, "sectors": 512, "channels": 256},
    ],
)
def test_a_network_that_no_weights_file_can_hold_is_refused_before_it_is_built(shape: dict[str, object]):
    with pytest.raises(ValueError, match="StripNetConfig"):
        StripNetConfig.model_validate(shape)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("kind", ["pipe", "link to a pipe"])
def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path, kind: str):
    os.mkfifo(tmp_path / "pipe")
    target = tmp_path / "pipe"
    if kind != "pipe":
        target = tmp_path / "stdout"
        target.symlink_to("pipe")
    before = target.lstat()
    with pytest.raises(OSError, match="is not replaced"):
        write_bytes_atomic(target, b"table")
    assert target.lstat().st_ino == before.st_ino and len(list(tmp_path.iterdir())) == (1 if kind == "pipe" else 2)
    (tmp_path / "file").touch()
    write_bytes_atomic(tmp_path / "file", b"table")
    assert (tmp_path / "file").read_bytes() == b"table"
