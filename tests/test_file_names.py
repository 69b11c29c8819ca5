"""Names of output files: each follows from the name of its input, and no two inputs share one."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irisstn.outputs.records import FILES, output_file
from irisstn.storage.file_names import png_name

PARTS = ("a", "x", ".png", ".jpg", ".PNG", ".Jpg", ".v1", ".avi", "/", "000030", ".", "é")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("d/a.png", "d/a.png"),
        ("d/a.b.png", "d/a.b.png"),
        ("d/a.jpg", "d/a.jpg.png"),
        ("d/a.PNG", "d/a.PNG.png"),
        ("d/a.png.png", "d/a.png.png.png"),
        ("d/a.JPG.png", "d/a.JPG.png.png"),
        ("d.jpg/a.png", "d.jpg/a.png"),
        ("clip.avi/000030", "clip.avi/000030.png"),
        ("clip.avi/000030.png", "clip.avi/000030.png.png"),
        ("a.png.v12", "a.png.v12.png"),
        ("a.png.v12.png", "a.png.v12.png.png"),
        ("a.v2.png", "a.v2.png"),
        ("scan", "scan.png.png"),
        ("scan.png", "scan.png"),
        ("line\n.png", "line\n.png"),
    ],
)
def test_the_name_of_a_png_follows_from_that_of_its_input(name: str, expected: str) -> None:
    assert png_name(name) == expected


def test_no_two_names_made_of_a_few_parts_have_the_same_png() -> None:
    names = {"".join(parts) for length in range(1, 5) for parts in product(PARTS, repeat=length)}
    assert len(names) > 10_000
    assert len({png_name(name) for name in names}) == len(names)
    assert {png_name(name)[-4:] for name in names} == {".png"}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PARTS), min_size=1, max_size=8).map("".join), min_size=2, unique=True))
def test_no_two_inputs_share_a_file_of_any_kind(names: list[str]) -> None:
    for field in FILES:
        formats = (False, True) if field.startswith("iso_") else (False,)
        files = [output_file(field, name, jpeg2000=jpeg2000) for name in names for jpeg2000 in formats]
        assert len(set(files)) == len(files)
