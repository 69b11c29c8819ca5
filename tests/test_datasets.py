import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irisstn.datasets import Label, find_images, label_of, read_labels, split_by_subject
from irisstn.errors import DatasetError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names(*sources: str | Path, exclude: Path | None = None) -> list[str]:
    return [sample.name for sample in find_images(sources, exclude=exclude)]


def paths(*sources: str | Path) -> list[Path]:
    return [sample.path for sample in find_images(sources)]


def test_a_folder_is_searched_to_the_bottom_in_order(tmp_path: Path):
    touch(tmp_path, "b/2.png", "a/10.JPG", "a/9.jpg", "top.tiff", "a/notes.txt", ".hidden/x.png", "a/.y.png", "noext")
    assert names(tmp_path) == ["a/10.JPG", "a/9.jpg", "b/2.png", "top.tiff"]
    assert all(sample.path == tmp_path / sample.name for sample in find_images([tmp_path]))


def test_odd_names(tmp_path: Path):
    odd = ["with space.png", "new\nline.png", "\N{EYE}.png", "é.png", "x" * 246 + ".png", "*[a].png", "-o.png"]
    touch(tmp_path, *odd)
    assert names(tmp_path) == sorted(odd)


def test_a_name_that_is_no_text(tmp_path: Path):
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")).touch()
    except OSError:
        pytest.skip("this file system takes only names that are text")
    assert names(tmp_path) == ["\udcff.png"]


def test_outputs_truth_and_the_excluded_folder_are_no_sources(tmp_path: Path):
    touch(
        tmp_path, "a.png", "out/manifest.jsonl", "out/strips/a.png", "truth/truth.jsonl", "truth/masks/a.png", "o/b.png"
    )
    assert names(tmp_path) == ["a.png", "o/b.png"]
    assert names(tmp_path, exclude=tmp_path / "o") == ["a.png"]


def test_links_are_followed_once(tmp_path: Path):
    touch(tmp_path, "real/deep/a.png")
    (tmp_path / "real/deep/loop").symlink_to(tmp_path / "real")
    (tmp_path / "real/self").symlink_to("self")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "dead.png").symlink_to(tmp_path / "nothing")
    assert names(tmp_path) == ["dead.png", "linked/deep/a.png"]
    assert names(tmp_path / "real") == ["deep/a.png"]


def test_globs_end_where_links_loop(tmp_path: Path):
    touch(tmp_path, "a/b/1.png", "a/b/c/2.png", "a/.hidden/3.png", "x/4.png")
    for name in ("a/loop", "a/b/loop", "a/b/c/loop", "x/loop"):  # glob.glob would follow 4^40 paths
        (tmp_path / name).symlink_to(tmp_path)
    assert names(f"{tmp_path}/a/**/[12].png") == ["1.png", "c/2.png"]
    assert {path.resolve().name for path in paths(f"{tmp_path}/**/*.png")} == {"1.png", "2.png", "4.png"}
    assert names(f"{tmp_path}/a/**/c/*.png") == ["2.png"]
    for pattern in ("*/**/4.png", "**/x/*.png", "**/**/4.png"):
        assert {path.resolve().name for path in paths(f"{tmp_path}/{pattern}")} == {"4.png"}


def test_files_globs_and_lists(tmp_path: Path):
    touch(tmp_path, "a/L/1.png", "a/R/1.png", "b/L/1.png", "b/L/notes.md")
    assert names(tmp_path / "a/L/1.png") == ["1.png"]
    assert names(tmp_path / "a/L/1.png", tmp_path / "b/L/1.png") == ["a/L/1.png", "b/L/1.png"]
    assert names(f"{tmp_path}/*/L/*") == ["a/L/1.png", "b/L/1.png"]
    assert names(f"{tmp_path}/**/*.png") == ["a/L/1.png", "a/R/1.png", "b/L/1.png"]
    assert names(f"{tmp_path}/?") == ["a/L/1.png", "a/R/1.png", "b/L/1.png"]
    (tmp_path / "list.txt").write_text(f"# some\na/R/1.png\n\n{tmp_path}/b/L/1.png\n")
    (tmp_path / "list.csv").write_text("subject,path\n1,a/L/1.png\n1,a/R/1.png\n")
    assert names(tmp_path / "list.txt") == ["a/R/1.png", "b/L/1.png"]
    assert names(tmp_path / "list.csv") == ["L/1.png", "R/1.png"]


def test_each_picture_comes_once_and_under_its_folders_name(tmp_path: Path):
    touch(tmp_path, "x/day/1.png", "y/day/1.png", "y/day/2.png")
    got = find_images([tmp_path / "x/day", tmp_path / "y/day", tmp_path / "x/day/", tmp_path / "y/day/2.png"])
    assert [sample.name for sample in got] == ["day/1.png", "day~2/1.png", "day~2/2.png"]
    assert len({sample.path for sample in got}) == 3


def test_nothing_to_do(tmp_path: Path):
    with pytest.raises(DatasetError, match="does not exist"):
        find_images([tmp_path / "none"])
    with pytest.raises(DatasetError, match="no pictures"):
        find_images([tmp_path])
    with pytest.raises(DatasetError, match="no pictures"):
        find_images([f"{tmp_path}/*.png"])
    (tmp_path / "list.csv").write_text("text\na.png\n")
    with pytest.raises(DatasetError, match="column"):
        find_images([tmp_path / "list.csv"])
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DatasetError, match="list"):
        find_images([tmp_path / "list.txt"])


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("S1001L01.jpg", Label("1001", "L")),
        ("001/L/S1001L01.jpg", Label("1001", "L")),
        ("any/S5012R07.jpg", Label("5012", "R")),
        ("C3_S1_I2.tiff", Label("2", "L")),
        ("C4_S2_I15.tiff", Label("2", "R")),
        ("001_2_4.bmp", Label("001")),
        ("017/L/017L03.png", Label("017", "L")),
        ("017L03.png.v2", Label("017", "L")),
        ("089_05_L.bmp", Label("089", "L")),
        ("089/05_R.bmp", Label("089", "R")),
        ("set/anna/left/img7.png", Label("anna", "L")),
        ("anna/R/7.png", Label("anna", "R")),
        ("anna/7.png", Label("anna")),
        ("7.png", None),
        ("S4001D01.jpg", Label("4001")),
        ("CASIA-IrisV2/device1/0007_003.bmp", Label("0007")),
        ("CASIA-IrisV1/001/2/001_2_4.bmp", Label("001")),
        ("MMU2/010203.bmp", Label("01", "R")),
        ("some/MMU Iris Database 2/1000105.bmp", Label("100", "L")),
        ("MMU1/7/left/aeval1.bmp", Label("7", "L")),
        ("UBIRIS_200_150/Sessao_1/1/Img_1_1_4.jpg", Label("1")),
        ("RGB Images/002_L/IMG_002_L_1.JPG", Label("002", "L")),
        ("0001_L_1_2.bmp", Label("0001", "L")),
        ("04233/04233d1004.tiff", None),
        ("001/R/001L01.png", None),
        ("images/7.png", None),
        ("session1/7.png", None),
    ],
)
def test_subject_and_eye_follow_from_the_name(name: str, label: Label | None):
    assert label_of(name) == label


EYE_WORDS = [("L", "R"), ("left", "right"), ("OS", "OD"), ("Left Eye", "Right Eye"), ("l", "r")]
LAYOUTS = [  # subject, eye, visit, number
    "{s}/{e}/{n}.png",
    "{e}/{s}/{n}.png",
    "{s}/{e}/session{v}/{n}.png",
    "{s}/session_{v}/{e}/{n}.png",
    "Session {v}/{s}/{e}/{n}.png",
    "2024-05-0{v}/{s}/{e}/{n}.png",
    "{s}_{e}/{n}.png",
    "{s}/{e}_{n}.png",
    "{s}/{n}_{e}.png",
    "{s}/visit{v}/iris-{e}-{n}.jpg",
    "train/{s}/{e}/images/{n}.png",
    "eyes_{e}/{s}/{n}.png",
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("words", EYE_WORDS)
@pytest.mark.parametrize("subjects", [("001", "002", "012"), ("anna", "bert", "personA"), ("subject01", "s2", "P-3")])
def test_eyes_of_a_layout_are_distinguished(layout: str, words: tuple[str, str], subjects: tuple[str, ...]):
    for subject in subjects:
        for word, eye in zip(words, "LR", strict=True):
            for visit, number in ((1, 1), (1, 2), (2, 1)):
                name = layout.format(s=subject, e=word, v=visit, n=number)
                assert label_of(name) == Label(subject, eye), name


@pytest.mark.parametrize(
    "layout",
    [
        "{s}/001L0{n}.png",
        "{s}/0{e}0{n}.bmp",
        "{s}/IMG_002_L_{n}.JPG",
        "{s}/001_1_{n}.bmp",
        "{s}/{n}/1.png",
        "{s}/first/{n}.png",
        "{s}/summer/L/{n}.png",
        "{s}/left/001/{n}.png",
        "clinic {s}/001/L/{n}.png",
        "MMU2/{s}/01010{n}.bmp",
    ],
)
def test_two_persons_are_never_one_subject(layout: str):
    persons = ("personA", "bert", "9")
    labels = [{label_of(layout.format(s=person, e="102", n=n)) for n in (1, 2)} - {None} for person in persons]
    assert len(set().union(*labels)) == sum(map(len, labels))


def test_labels_from_a_csv(tmp_path: Path):
    path = tmp_path / "labels.csv"
    path.write_text("path,subject,eye\na/1.png,anna,left\nb.png,bert,\n", encoding="utf-8-sig")
    assert read_labels(path) == {"a/1.png": Label("anna", "L"), "b.png": Label("bert")}
    path.write_text("path,subject\na.png,anna\na.png,bert\n")
    with pytest.raises(DatasetError, match="two labels"):
        read_labels(path)
    path.write_text("path,eye\na.png,L\n")
    with pytest.raises(DatasetError, match="subject"):
        read_labels(path)
    path.write_text("path,subject,eye\na.png,anna,middle\n")
    with pytest.raises(DatasetError, match="line 2"):
        read_labels(path)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_labels(tmp_path / "none.csv")


@given(
    st.lists(st.builds(Label, st.integers(0, 30).map(str), st.sampled_from("LR")), min_size=2, max_size=60),
    st.floats(0.01, 0.99),
    st.integers(0, 99),
)
def test_a_split_shares_no_subject_and_loses_nothing(labels: list[Label], fraction: float, seed: int):
    subjects = {label.subject for label in labels}
    if len(subjects) < 2:
        with pytest.raises(DatasetError):
            split_by_subject(labels, fraction, seed)
        return
    train, held = split_by_subject(labels, fraction, seed)
    assert sorted(train + held) == list(range(len(labels)))
    assert train
    assert held
    assert not {labels[index].subject for index in train} & {labels[index].subject for index in held}
    reversed_held = split_by_subject(labels[::-1], fraction, seed)[1]
    assert {labels[index].subject for index in held} == {labels[::-1][index].subject for index in reversed_held}


def test_another_seed_is_another_split():
    labels = [Label(str(number)) for number in range(40)]
    splits = {tuple(split_by_subject(labels, 0.25, seed)[1]) for seed in range(5)}
    assert len(splits) == 5
    assert all(len(held) == 10 for held in splits)
    with pytest.raises(ValueError, match="fraction"):
        split_by_subject(labels, 1.0)
