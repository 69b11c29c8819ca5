"""What a picture costs: every stage is measured, and no stage is entered more often than it has to be."""

import importlib
import platform
import resource
from pathlib import Path
from types import ModuleType

import pytest
from scaled_pictures import SIZES, scaled
from stage_clock import stages_timed
from stages import REST, STAGES, measure, size_table, tables

from irisstn import OnnxRectifier, files, normalization, read_gray, segment
from irisstn.batch.jobs.embed import EmbedConfig, EmbedJob
from irisstn.batch.jobs.job import JobInput
from irisstn.batch.jobs.segment import SegmentConfig, SegmentJob
from irisstn.geometry import Float
from irisstn.geometry.ring_transform import move_in_ring
from irisstn.networks import RuntimeChoice
from irisstn.processes import keep_freed_memory

SAMPLE = Path(__file__).parents[1] / "data" / "sample" / "001" / "L" / "001L01.png"
OPERATIONS = {
    "network": ("irisstn.segmentation.eye_location:predict_part_maps",),
    "remap": ("cv2:remap",),
    "warp": ("cv2:warpAffine",),
    "decode": ("cv2:imdecode",),
    "encode": ("cv2:imencode",),
    "fit": ("irisstn.segmentation.contour_tracing:robust_fit", "irisstn.segmentation.map_fitting:robust_fit"),
}


def test_a_picture_costs_no_more_operations_than_before():
    with SegmentJob(SegmentConfig()).start() as process, stages_timed(OPERATIONS) as clock:
        process(JobInput(SAMPLE.name, SAMPLE.read_bytes()))
    most = {"network": 2, "remap": 22, "warp": 3, "decode": 1, "encode": 1, "fit": 9}
    assert set(clock.calls) == set(most)
    assert {name: calls for name, calls in clock.calls.items() if calls > most[name]} == {}


def test_an_upright_picture_that_may_be_sideways_is_turned_once(monkeypatch: pytest.MonkeyPatch):
    module = importlib.import_module("irisstn.segmentation.segment")  # the package's name is that of the function
    monkeypatch.setattr(module, "may_be_sideways", lambda opening: True)
    with stages_timed({"located": ("irisstn.segmentation.segment:locate_eye",)}) as clock:
        assert segment(read_gray(SAMPLE)).turned_rad == 0
    assert clock.calls == {"located": 2}


def test_the_masks_of_a_picture_take_few_bytes():
    with SegmentJob(SegmentConfig()).start() as process:
        files = process(JobInput(SAMPLE.name, SAMPLE.read_bytes())).files
    assert len(files) == 4
    sizes = {name.split("/")[0]: len(data) for name, data in files.items()}
    assert {folder for folder, size in sizes.items() if size > 2500} == {"strips"}
    assert sizes["strips"] < 64 * 512 * 0.7


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the GNU C library is told to keep freed memory")
def test_pictures_of_a_batch_do_not_take_new_memory():
    keep_freed_memory()
    fresh = []
    with SegmentJob(SegmentConfig()).start() as process:
        for _ in range(6):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            process(JobInput(SAMPLE.name, SAMPLE.read_bytes()))
            fresh.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert min(fresh[1:]) < 300  # pages; about 1,500 where freed memory goes back to the system


PASSES: dict[RuntimeChoice, dict[str, tuple[str, ...]]] = {
    "torch": {
        "localization": ("irisstn.rectification.localization:CircularLocalization.forward",),
        "roll": ("irisstn.rectification.roll:RollReader.read_eye",),
        "recognition": ("irisstn.recognition.network:StripNet.of_trunks",),
    },
    "onnx": {
        "rectifier": ("irisstn.rectification.onnx_rectifier:OnnxRectifier._estimate",),
        "both networks": ("irisstn.onnx_files.session:OnnxNetwork.run",),
        "recognition": ("irisstn.recognition.onnx_recognizer:OnnxRecognizer.embed",),
    },
}


@pytest.mark.parametrize("runtime", PASSES)
def test_pictures_pass_each_network_once(runtime: RuntimeChoice):
    passes = PASSES[runtime]
    with EmbedJob.of(EmbedConfig(runtime=runtime)).start() as process, stages_timed(passes) as clock:
        for _ in range(3):
            process(JobInput(SAMPLE.name, SAMPLE.read_bytes()))
    assert clock.calls == {name: 6 if name == "both networks" else 3 for name in passes}


def test_the_strip_of_a_rectified_picture_is_sampled_at_few_radii(monkeypatch: pytest.MonkeyPatch):
    """Positions of nine radii and one more to check them, in place of the strip's 64."""
    pytest.importorskip("onnxruntime")
    asked: list[tuple[int, ...]] = []

    def counted(xp: ModuleType, parameters: Float, radius: Float, angle: Float) -> tuple[Float, Float]:
        asked.append(radius.shape)
        moved: tuple[Float, Float] = move_in_ring(xp, parameters, radius, angle)
        return moved

    image = read_gray(SAMPLE)
    segmentation = segment(image)
    monkeypatch.setattr(normalization, "move_in_ring", counted)
    OnnxRectifier.load(threads=1).rectify_eye(image, segmentation)
    assert asked == [(1, 10, 1)]


def test_segment_is_measured_by_the_size_of_the_picture(tmp_path: Path):
    pytest.importorskip("onnxruntime")  # which the benchmark takes for the other commands
    pictures = scaled([SAMPLE], tmp_path / "pictures")
    assert [read_gray(path).shape[::-1] for path in pictures] == list(SIZES)
    table = size_table(measure(pictures, tmp_path / "out", repeats=1, commands=["segment"]))
    assert [row[0] for row in table.rows] == [path.parent.name for path in pictures]
    assert table.rows[0][-1] == 1.0


def test_every_stage_of_every_command_is_measured(tmp_path: Path):
    found = measure([SAMPLE], tmp_path, repeats=1)
    assert list(found) == ["floor", "segment", "rectify", "embed"]
    assert {stage for times in found.values() for stage in times.calls} == set(STAGES)
    whole, *stages = tables(found)
    assert [row[2] for row in whole.rows if isinstance(row[0], str) and row[0].startswith("floor")] == [1.0]
    for table in stages:
        assert [row[0] for row in table.rows[-2:]] == [REST, "whole"]
        shares = [row[2] for row in table.rows[:-1] if isinstance(row[2], float)]
        assert len(shares) > 10
        assert sum(shares) == pytest.approx(100, abs=1.5)


def test_a_stage_that_calls_another_one_pauses_meanwhile():
    with stages_timed({"outer": ("irisstn.files:write_bytes_atomic",)}) as clock:
        inner = clock.timed("inner", lambda: sum(range(200_000)))
        clock.timed("outer", lambda: [inner() for _ in range(3)])()
    assert clock.calls == {"outer": 1, "inner": 3}
    assert clock.seconds["outer"] < clock.seconds["inner"]


def test_a_function_that_does_not_exist_is_refused_and_nothing_stays_replaced():
    before = files.sync
    with (
        pytest.raises(AttributeError, match="no_such_function"),
        stages_timed({"one": ("irisstn.files:sync",), "two": ("irisstn.files:no_such_function",)}),
    ):
        pass
    assert files.sync is before
