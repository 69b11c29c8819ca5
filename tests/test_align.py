"""`irisstn align`: the angle between two pictures of an eye, or that they do not fit."""

import json
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner

from irisstn.cli import cli
from irisstn.images import read_gray, write_png
from irisstn.normalization import normalize
from irisstn.segmentation import segment


def command(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["align", *map(str, arguments)])
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A capture, another one of the same eye, turned by 12 and by 50 degrees, and one of another eye."""
    sample = Path(__file__).parents[1] / "data" / "sample"
    folder = tmp_path_factory.mktemp("align")
    first, second = sample / "001/L/001L01.png", read_gray(sample / "001/L/001L02.png")
    height, width = second.shape
    found = {"first": first, "second": sample / "001/L/001L02.png", "other": sample / "002/L/002L01.png"}
    for angle in (12, 50):
        found[f"by {angle}"] = folder / f"by{angle}.png"
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -angle, 1)
        write_png(
            found[f"by {angle}"], cv2.warpAffine(second, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        )
    found["strip"] = folder / "strip.png"
    write_png(found["strip"], normalize(second, segment(second)).image)
    return found


def test_an_eye_that_was_turned_is_found_with_its_angle(pictures: dict[str, Path], tmp_path: Path):
    code, output = command(pictures["first"], pictures["second"], "--json")
    before = json.loads(output)
    code, output = command(pictures["first"], pictures["by 12"], "--json", "-o", tmp_path / "aligned.png")
    after = json.loads(output)
    assert code == 0 and after["decision"] == "match" and not after["at_limit"]
    assert after["roll_deg"] - before["roll_deg"] == pytest.approx(12, abs=0.7)
    assert 0 < after["sd_deg"] < 1
    picture = read_gray(tmp_path / "aligned.png")
    assert picture.shape == (200, 512)
    top, last = picture[:64].astype(float), picture[-64:].astype(float)
    assert abs(top - last).mean() < abs(top - picture[68:132]).mean()


def test_another_eye_and_one_beyond_the_limit_do_not_fit(pictures: dict[str, Path]):
    for name in ("other", "by 50"):
        code, output = command(pictures["first"], pictures[name])
        assert code in (4, 5) and "not the same eye, or turned by more than 30 degrees" in output
        assert code == (5 if output.startswith("undecided (001L01.png: usable iris area") else 4)


def test_a_strip_fits_and_its_unknown_quality_is_a_doubt(pictures: dict[str, Path]):
    code, output = command(pictures["first"], pictures["strip"], "--json")
    found = json.loads(output)
    assert found["doubts"][-1:] == ["strip.png: a strip, of unknown quality"]
    assert code == 0 and found["similarity"] > found["strict_threshold"]


def test_what_cannot_be_read_is_one_line(pictures: dict[str, Path], tmp_path: Path):
    (tmp_path / "no.png").write_bytes(b"no picture")
    for arguments in ((pictures["first"], tmp_path / "no.png"), (tmp_path / "none.png", pictures["first"])):
        code, output = command(*arguments)
        assert code == 2 and len(output.strip().splitlines()) == 1 and ".png" in output
    (tmp_path / "file").touch()
    code, output = command(pictures["first"], pictures["second"], "-o", tmp_path / "file" / "a.png")
    assert code == 1 and len(output.strip().splitlines()) == 1 and "cannot be written" in output


def test_a_picture_is_written_over_a_picture_of_the_same_command_alone(pictures: dict[str, Path], tmp_path: Path):
    notes, drawn = tmp_path / "notes.txt", tmp_path / "drawn.png"
    notes.write_text("mine")
    for file in (notes, pictures["strip"]):
        before = file.read_bytes()
        code, output = command(pictures["first"], pictures["strip"], "-o", file)
        assert code == 2 and "or remove it first" in output and len(output.splitlines()) == 1
        assert file.read_bytes() == before
    for _ in range(2):
        assert command(pictures["first"], pictures["strip"], "-o", drawn)[0] == 0
