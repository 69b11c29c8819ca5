"""The benchmark of the folder runner at small size; its docstring says how to run it at full size."""

from pathlib import Path

from batch_junk import segment_junk
from batch_kills import kill_and_resume
from batch_speed import measure_memory, measure_speed


def test_kills_lose_nothing_and_double_nothing(eyes: Path, tmp_path: Path):
    found = kill_and_resume(eyes, tmp_path, kills=5, workers=1, seed=3)
    assert (found["kills"], found["inputs"], found["records"]) == (5, 12, 12)
    assert found["files compared"] > 4 * 9
    assert (found["inputs lost"], found["inputs twice"], found["files that differ"], found["leftovers"]) == (0, 0, 0, 0)


def test_damaged_files_each_get_a_record(eyes: Path, tmp_path: Path):
    found = segment_junk(eyes, tmp_path, count=135, workers=2, seed=0)
    assert (found["records"], found["exit code"]) == (135, 3)
    assert found["outcome read"] > 30
    assert found["outcome ok"] > 5
    assert not {"outcome internal", "outcome process", "outcome write"} & set(found)
    assert found["peak of the largest process, MB"] < 1000


def test_memory_does_not_grow_with_the_number_of_pictures(eyes: Path, tmp_path: Path):
    few, many = measure_memory(eyes, tmp_path, sizes=(20, 80), workers=1)
    assert (few["records"], many["records"]) == (20, 80)
    assert many["peak, MB"] < 1.1 * few["peak, MB"]


def test_bare_opencv_is_quicker_than_the_whole(eyes: Path, tmp_path: Path):
    (row,) = measure_speed(eyes, tmp_path, repeats=1)
    assert row["n"] == 12
    assert 0 < row["floor, CPU ms"] < row["CPU ms a picture, 1 worker"]
    assert row["ratio"] > 0
