"""Training of the segmentation network: its pictures, its loss, and a run that continues after a kill."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from simulated_disk import restore, watch_syncs

from irisstn.errors import OutputError, WeightsError
from irisstn.segmentation.network import SIZE, read_network
from irisstn.training.segmenter import SegmenterConfig, train_segmenter
from irisstn.training.segmenter.examples import draw_batch, draw_picture
from irisstn.training.segmenter.framing import frame_close_up, frame_whole_image
from irisstn.training.segmenter.network import PartMapNet
from irisstn.training.segmenter.onnx_weights import load_folded_weights
from irisstn.training.segmenter.scenes import Scene, render_scene, render_scenes
from irisstn.training.segmenter.train import export, part_map_loss


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render_scene(3, number) for number in range(6)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SegmenterConfig:
    """A short training; its scenes, those of `scenes`, are rendered once."""
    folder = tmp_path_factory.mktemp("scenes")
    return SegmenterConfig(
        seed=3, scenes=6, scenes_folder=folder, steps=4, batch_size=4, checkpoint_steps=2, bfloat16=False
    )


def test_scenes_are_the_same_from_other_processes_and_from_files(scenes: list[Scene], tmp_path: Path) -> None:
    others = render_scenes(6, 3, tmp_path, workers=2)
    files = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    again = render_scenes(6, 3, tmp_path, workers=2)
    assert files == {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert len(others) == len(again) == len(scenes) == 6
    for one, *rest in zip(scenes, others, again, strict=True):
        for other in rest:
            assert np.array_equal(one.image, other.image)
            assert np.array_equal(one.occluded, other.occluded)
            assert (one.limbus, one.upper, one.lower) == (other.limbus, other.upper, other.lower)
            assert one.pupil == other.pupil


def test_scenes_tell_what_covers_the_iris(scenes: list[Scene]) -> None:
    covered = 0
    for scene in scenes:
        size = (scene.image.shape[0], scene.image.shape[1])
        assert scene.occluded.shape == size
        ring = scene.limbus.mask(size) & ~scene.pupil.mask(size)
        assert not scene.occluded[~cv2.dilate(ring.view(np.uint8), np.ones((5, 5))).view(bool)].any()
        covered += bool(scene.occluded.any())
    assert covered >= 3


def test_scenes_hold_the_true_boundaries(scenes: list[Scene]) -> None:
    assert scenes
    for scene in scenes:
        size = (scene.image.shape[0], scene.image.shape[1])
        pupil = scene.pupil.mask(size)
        ring = scene.limbus.mask(size) & ~pupil & ~scene.upper.above(size) & scene.lower.above(size)
        # The pupil is darker than the iris, but for specular reflections, which a translucent one may cover.
        assert np.median(scene.image[pupil]) < np.median(scene.image[ring]) + 10
        assert scene.limbus.mean_radius < 60


@pytest.mark.parametrize("frame", [frame_whole_image, frame_close_up])
def test_framings_move_the_boundaries_with_the_scene(frame, scenes: list[Scene]) -> None:
    rng = np.random.default_rng(0)
    whole = 0
    for scene in 4 * scenes:
        framing = frame(rng, scene)
        (x, y), *_ = framing.to_picture(np.array([[scene.limbus.x, scene.limbus.y]]))
        radius = framing.scale * scene.limbus.mean_radius
        inside = radius < min(x, y, SIZE[1] - x, SIZE[0] - y)
        if inside:
            whole += 1
            assert framing.iris.sum() == pytest.approx(np.pi * radius**2, rel=0.1)
        assert framing.pupil.sum() < framing.iris.sum()
    assert whole >= 4


def test_pictures_are_standardized_and_their_parts_fit_together(scenes: list[Scene]) -> None:
    rng = np.random.default_rng(1)
    shown = 0
    for i in range(60):
        picture, parts = draw_picture(scenes[i % 6], rng)
        assert picture.shape == SIZE and parts.shape == (4, *SIZE)
        assert np.isfinite(picture).all()
        assert abs(float(picture.mean())) < 1e-3
        assert parts.min() >= 0 and parts.max() <= 1
        assert (parts[0] <= parts[1] + 1e-6).all()  # a pupil is part of its iris
        assert (parts[3] <= parts[1] * (1 - parts[0]) + 1e-6).all()  # occluded is the iris alone
        shown += parts[1].any()
    assert 40 < shown < 60  # most show an eye, some none


def test_batches_come_from_their_seed_alone(scenes: list[Scene]) -> None:
    one, other = (draw_batch(scenes, 3, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])
    assert one[0].shape == (3, 1, *SIZE) and one[1].shape == (3, 4, *SIZE)


def test_the_loss_is_least_where_the_parts_are_right(scenes: list[Scene]) -> None:
    parts = torch.from_numpy(draw_batch(scenes, 4, np.random.default_rng(2))[1])
    right, wrong = 12 * (2 * parts - 1), 12 * (1 - 2 * parts)
    losses = [
        float(part_map_loss(logits, parts, iris_weight=3.0, dice_weight=0.5)) for logits in (right, right * 0, wrong)
    ]
    assert losses[0] < 0.2 * losses[1] < losses[1] < losses[2]


def test_part_maps_have_the_size_of_the_picture() -> None:
    assert PartMapNet()(torch.zeros(2, 1, *SIZE)).shape == (2, 4, *SIZE)


def test_a_run_gives_weights_for_opencv_and_continues_after_a_kill(tmp_path: Path, tiny: SegmenterConfig) -> None:
    whole = train_segmenter(tmp_path / "whole", tiny)
    network = cv2.dnn.readNetFromONNX(str(whole))
    network.setInput(np.zeros((1, 1, *SIZE), np.float32))
    assert network.forward().shape == (1, 4, *SIZE)

    class Killed(Exception):
        pass

    def kill(stage: str, done: int, total: int) -> None:
        if stage.startswith("training") and done == 3:
            raise Killed

    with pytest.raises(Killed):
        train_segmenter(tmp_path / "killed", tiny, progress=kill)
    assert not (tmp_path / "killed" / "segmenter.onnx").exists()
    assert train_segmenter(tmp_path / "killed", tiny).read_bytes() == whole.read_bytes()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="names of open files are looked up in /proc")
def test_a_run_outlives_a_power_cut_at_any_moment(
    tmp_path: Path, tiny: SegmenterConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What other processes sync is not seen here.
    monkeypatch.setattr("irisstn.training.segmenter.scenes.rendering_pool", ThreadPoolExecutor)
    short = tiny.model_copy(update={"scenes_folder": None, "scenes": 1, "steps": 2, "checkpoint_steps": 1})
    with watch_syncs(tmp_path / "run", every_sync=True) as disk:
        out = train_segmenter(tmp_path / "run", short).parent
    whole = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    del whole[".lock"]
    assert len(whole) == 5 and len(disk.cuts) > 20
    empty = {name for left in disk.cuts for name, data in left.items() if name in whole and not data}
    assert not empty, "a file has its name before its content is on the disk"
    scenes_file = next(name for name in whole if name.startswith("scenes/"))
    assert {name: disk.cuts[-1].get(name) for name in whole} == whole
    cut = next(left for left in disk.cuts if "checkpoint.safetensors" in left)
    assert steps_of(cut["metrics.jsonl"]) == [1] and "segmenter.onnx" not in cut
    restore(cut | {scenes_file: whole[scenes_file]}, tmp_path / "cut")
    assert train_segmenter(tmp_path / "cut", short).read_bytes() == whole["segmenter.onnx"]
    assert steps_of((tmp_path / "cut" / "metrics.jsonl").read_bytes()) == [1, 2]


def steps_of(metrics: bytes) -> list[int]:
    return [json.loads(line)["step"] for line in metrics.splitlines()]


def test_a_training_may_start_from_an_exported_network(tmp_path: Path, scenes: list[Scene]) -> None:
    torch.manual_seed(4)
    earlier = PartMapNet()
    pictures = torch.from_numpy(draw_batch(scenes, 8, np.random.default_rng(5))[0])
    with torch.no_grad():
        for _ in range(3):  # running statistics other than 0 and 1
            earlier(pictures)
    file = export(earlier, tmp_path / "earlier.onnx")
    network = PartMapNet()
    load_folded_weights(network, file, pictures)
    with torch.no_grad():
        assert torch.allclose(network.eval()(pictures), earlier.eval()(pictures), atol=1e-3)
        # In training mode, with the statistics of the batch, nearly the same.
        assert (network.train()(pictures) - earlier(pictures)).abs().max() < 0.1
    (tmp_path / "none.onnx").write_bytes(b"no network")
    with pytest.raises(WeightsError, match=r"none\.onnx"):
        load_folded_weights(network, tmp_path / "none.onnx", pictures)


def test_the_occlusion_may_be_trained_alone(tmp_path: Path, scenes: list[Scene], tiny: SegmenterConfig) -> None:
    file = export(PartMapNet(), tmp_path / "earlier.onnx")
    settings = {"start": file, "occlusion_only": True, "learning_rate": 0.05}
    trained = train_segmenter(tmp_path / "run", tiny.model_copy(update=settings))
    before, after = (read_network(path) for path in (file, trained))
    picture = draw_batch(scenes, 1, np.random.default_rng(6))[0]
    maps = []
    for network in (before, after):
        network.setInput(picture)
        maps.append(np.asarray(network.forward()))
    assert np.allclose(maps[0][:, :3], maps[1][:, :3], atol=1e-3)
    assert np.abs(maps[0][:, 3] - maps[1][:, 3]).max() > 0.01


def test_a_run_whose_settings_cannot_be_read_is_refused(tmp_path: Path, tiny: SegmenterConfig) -> None:
    for damaged in (b"", b"\0" * 9, b"[unclosed"):
        (tmp_path / "config.yaml").write_bytes(damaged)
        with pytest.raises(OutputError, match=r"config\.yaml cannot be read: choose another folder"):
            train_segmenter(tmp_path, tiny)


def test_a_run_with_other_settings_is_refused(tmp_path: Path, tiny: SegmenterConfig) -> None:
    (tmp_path / "config.yaml").write_text("seed: 5\n")
    with pytest.raises(OutputError, match=r"seed 5 \(now 3\)"):
        train_segmenter(tmp_path, tiny)
