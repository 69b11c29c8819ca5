"""Identities of whole sets: right, or with an alarm; never wrong without a word."""

import json
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner

from irisstn.cli import cli
from irisstn.datasets import Identities, Label, find_images, read_identities
from irisstn.errors import DatasetError

UUIDS = ("3f2a9c1e-07b4-4b6e-9d43-1c2d3e4f5a6b", "b71d40c2-5e6f-4a8b-8c9d-0e1f2a3b4c5d")
PERSONS = ("3", "7", "12")
NUMBERS = ("1", "2")


def tree(pattern: str, persons=PERSONS, eyes=("L", "R"), **more: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Names and, for each, its person and eye."""
    rest = {"n": NUMBERS, **more}
    return {
        pattern.format(s=person, e=eye, **dict(zip(rest, values, strict=True))): (person, "LR"[eyes.index(eye)])
        for person, eye, *values in product(persons, eyes, *rest.values())
    }


def is_right(found: Identities, truth: dict[str, tuple[str, str]]) -> bool:
    """Whether exactly the pictures of one eye have one label, and whether no side is exchanged."""
    if len(found.labels) < len(truth):
        return False
    pairs = {(found.labels[name], eye) for name, eye in truth.items()}
    sides = all(label.eye in ("", eye[1]) for label, eye in pairs)
    return sides and len(pairs) == len({label for label, _ in pairs}) == len({eye for _, eye in pairs})


# Trees that are read, without any alarm.
READ = {
    "CASIA V3 and V4": tree("CASIA-Iris-Lamp/{s}/{e}/S2{s}{e}0{n}.jpg", persons=("001", "002")),
    "CASIA, flat": tree("S5{s}{e}0{n}.jpg", persons=("001", "002")),
    "IIT Delhi": tree("{s}/0{n}_{e}.bmp", persons=("001", "002", "013")),
    "IIT Delhi, flat": tree("{s}_0{n}_{e}.bmp", persons=("001", "002", "013")),
    "MMU1 in any parent": tree("{s}/{e}/aeva{n}.bmp", eyes=("left", "right")),
    "MMU1 in two parents": tree("downloads/old/{s}/{e}/bryanl{n}.bmp", eyes=("left", "right")),
    "MMU2": tree("{s}{e}0{n}.bmp", persons=("01", "02", "100"), eyes=("01", "02")),
    "MMU2 in any parent": tree("my eyes/{s}{e}0{n}.bmp", persons=("01", "02"), eyes=("01", "02")),
    "UTIRIS": tree("V1/RGB Images/{s}_{e}/IMG_{s}_{e}_{n}.JPG", persons=("002", "003")),
    "Warsaw": tree("{s}_{e}_1_{n}.bmp", persons=("0001", "0002")),
    "OD and OS": tree("{s}/{e}/{n}.png", eyes=("OS", "OD")),
    "eye, then subject": tree("{e}/{s}/{n}.png", eyes=("left", "right")),
    "sessions above": tree("session{v}/{s}/{e}/{n}.png", v=("1", "2")),
    "days below": tree("{s}/2024-05-0{v}/{e}/{n}.png", v=("1", "2")),
    "lower case": tree("{s}/{e}{n}.png", eyes=("l", "r")),
    "subject_01/eye_left": tree("subject_{s}/eye_{e}/img_{n}.png", persons=("01", "02"), eyes=("left", "right")),
    "flat with words": tree("p{s}_{e}_s{v}_0{n}.jpg", eyes=("left", "right"), v=("1", "2")),
    "flat with session first": tree("p{s}_s{v}_{e}_0{n}.jpg", eyes=("left", "right"), v=("1", "2")),
    "flat in a folder": tree("project x/p{s}_{e}_0{n}.jpg", eyes=("left", "right")),
    "flat with a date": tree("subject-{s}-2024-05-31-{e}-{n}.jpg", eyes=("OS", "OD")),
    "subject in folder and file": tree("{s}/p{s}_{e}_{n}.png"),
    "uuid": tree("{s}/{e}/{n}.png", persons=UUIDS),
    "blanks and Unicode": tree("{s}/{e} eye/{n}.png", persons=("Zoë K", "李 明", "Ada B"), eyes=("left", "right")),
    "subjects named like sessions": tree("s{s}/{e}/{n}.png"),
    "left_SUBJECT": tree("{e}_0{s}/{n}.png", eyes=("left", "right")),
    "OD_SUBJECT": tree("{e}_0{s}/{n}.png", eyes=("OS", "OD")),
    "a folder that begins like an eye": tree("os_scans/{s}/{e}/{n}.png"),
    "eyes in a word with eye": tree("{s}/{e}Eye_{n}.png", eyes=("Left", "Right")),
    "crops of CASIA-Iris-Distance": tree("S400{s}D01_{e}_{n}.png", persons=("1", "2"), eyes=("left", "right")),
    "flat with numbered sessions": tree("00{s}_{v}_{e}_{n}.png", v=("1", "2")),
}
# Trees that may be read in another way, or not at all: with an alarm.
DOUBTED = {
    "one camera for each folder": tree("LG{v}/{s}/{e}/{n}.png", v=("2200", "4000")),
    "sessions named like subjects": tree("{s}/s{v}/{e}/{n}.png", v=("1", "2")),
    "session folders that are persons": tree("sample{s}/001{e}0{n}.png"),
    "train and test with numbers of their own": tree("train/{s}/{e}/{n}.png") | tree("test/{s}/{e}/x{n}.png"),
    "subjects that look like dates": tree("2000{s}11/{e}/{n}.png", persons=("01", "02")),
    "no eye": tree("{s}/{n}.png", eyes=("L",)),
    "site, person, eye": tree("H1_00{s}_{e}_{n}.png"),
    "session, person, eye": tree("s{v}_00{s}_{e}_{n}.png", v=("1", "2")),
    "camera, person, eye": tree("cam{v}_00{s}_{e}_{n}.png", v=("1", "2")),
    "year, eye, person": tree("20{v}_{e}_00{s}_{n}.png", v=("19", "20")),
    "capture, person, eye": tree("{n}_{s}_{e}.png"),
    "eyes by number": tree("{s}/eye{e}_{n}.png", eyes=("1", "2")),
    "eyes in a word": tree("{s}/Left{n}.png", eyes=("L",)) | tree("{s}/Right{n}b.png", eyes=("R",)),
    "zero-padded and not": tree("{s}/{e}/{n}.png", persons=("7", "007", "8")),
    "case": tree("{s}/{e}/{n}.png", persons=("Anna", "anna", "Bert")),
    "some eyes told": tree("{s}/{e}/{n}.png", persons=("3",)) | tree("{s}/x{n}.png", persons=("3",), eyes=("L",)),
    "classes": {f"{kind}/{n}.png": (str(n // 2), "L") for kind in ("cataract", "normal") for n in range(60)},
    "classes of an attack": {f"{kind}/{n}.png": (str(n // 2), "L") for kind in ("contact", "live") for n in range(60)},
    "classes of other names": {f"{kind}/{n}.png": (str(n // 2), "L") for kind in ("aaa", "bbb") for n in range(60)},
    "r is a round": {f"{s}/r{n}.png": (s, "L" if int(n) < 3 else "R") for s in PERSONS for n in "1234"},
    "dates and numbers": {f"24{m}{d}.bmp": (f"{m}{d}", "L") for m in ("01", "02", "11") for d in ("01", "02", "31")},
    "a phone's names": {f"20240131_1205{n}_L.png": (str(n // 2), "L") for n in range(10, 20)},
    "one folder of many persons": {f"clinic/{n:03}.png": (str(n // 2), "L") for n in range(8)},
    "two data sets with the same numbers": tree("casia/S{s}{e}0{n}.jpg", persons=("1001",))
    | {f"mine/1001/{e}/{n}.png": ("x", e) for e in "LR" for n in NUMBERS},
    "both eyes in a picture": {f"S400{s}D0{n}.jpg": (s, "L") for s in PERSONS[:2] for n in NUMBERS},
    "Notre Dame without table": {f"0{s}d{n}.tiff": (s, "L") for s in ("4233", "4261") for n in ("1004", "1005")},
    "a picture in each folder": {f"{uuid}/image.png": (uuid[0], "L") for uuid in UUIDS},
}


@pytest.mark.parametrize("kind", READ)
def test_what_is_read_without_a_word_is_right(kind: str):
    found = read_identities(list(READ[kind]))
    assert is_right(found, READ[kind])
    assert not found.alarms
    found.require_sound("training")


@pytest.mark.parametrize("kind", DOUBTED)
def test_what_is_not_certain_has_an_alarm(kind: str):
    found = read_identities(list(DOUBTED[kind]))
    assert found.alarms
    assert len(found.readings) == len(DOUBTED[kind])


@pytest.mark.parametrize(
    "kind", ["some eyes told", "eyes in a word", "two data sets with the same numbers", "one folder of many persons"]
)
def test_what_is_surely_wrong_is_refused_and_says_how_to_mend_it(kind: str):
    found = read_identities(list(DOUBTED[kind]))
    for use in ("training", "evaluation"):
        with pytest.raises(DatasetError, match="--labels or --layout"):
            found.require_sound(use)


@pytest.mark.parametrize(
    ("kind", "layout"),
    [
        ("one camera for each folder", "{camera}/{subject}/{eye}/*"),
        ("sessions named like subjects", "{subject}/{session}/{eye}/*"),
        ("session folders that are persons", "{subject}/001{eye}*"),
        ("subjects that look like dates", "{subject}/{eye}/*"),
        ("site, person, eye", "**/*_{subject}_*{eye}*"),
        ("year, eye, person", "**/*_{eye}_{subject}_*"),
        ("eyes by number", "{subject}/eye{eye:1=L,2=R}_*"),
        ("case", "**/{subject}/{eye}/*"),
    ],
)
def test_a_pattern_says_how(kind: str, layout: str):
    found = read_identities(list(DOUBTED[kind]), layout=layout)
    assert is_right(found, DOUBTED[kind])
    found.require_sound("training")


def test_named_layouts_and_mistakes_in_a_layout():
    names = list(READ["IIT Delhi"])
    assert read_identities(names, layout="iitd").rules == {"IIT Delhi": len(names)}
    assert len(read_identities(names, layout="utiris").labels) == 0
    for layout, said in (
        ("iitdelhi", "no such layout"),
        ("{eye}/*", "needs {subject}"),
        ("{subject}{eye:1=X}", "codes"),
    ):
        with pytest.raises(DatasetError, match=said):
            read_identities(names, layout=layout)
    with pytest.raises(DatasetError, match="not both"):
        read_identities(names, layout="iitd", labels=Path("a.csv"))
    assert read_identities(["a/1.png"], layout="{subject}/{n}_{eye}.png").alarms[0].level == "unusable"


def test_labels_of_another_folder_are_found_where_only_one_way_fits(tmp_path: Path):
    labels = tmp_path / "labels.csv"
    rows = [("a/L/1.png", "a", "left"), ("a/R/1.png", "a", "right"), ("b/L/1.png", "b", "left")]
    names = [path for path, _, _ in rows]
    want = {name: Label(subject, eye[0].upper()) for name, subject, eye in rows}
    for before in ("", "eyes/", "/data/eyes/"):
        labels.write_text("path,subject,eye\n" + "".join(f"{before}{path},{s},{e}\n" for path, s, e in rows))
        assert read_identities(names, labels=labels).labels == want
    labels.write_text("subject;file_name;side\n" + "".join(f"{s};{path};{e}\n" for path, s, e in rows))
    assert read_identities([f"eyes/{name}" for name in names], labels=labels).labels == {
        f"eyes/{name}": label for name, label in want.items()
    }
    labels.write_text("path,subject\nx/a.png,1\ny/a.png,2\n")
    assert not read_identities(["a.png", "b.png"], labels=labels).labels
    labels.write_text("path,subject\nx/a.png,1\n")
    assert read_identities(["x/a.png", "b.png"], labels=labels).alarms[0].level == "unusable"


def test_tables_of_notre_dame(tmp_path: Path):
    names = ["04233/04233d1004.tiff", "04233/04233d1005.tiff", "04261/04261d77.tiff"]
    want = dict(zip(names, [Label("04233", "L"), Label("04233", "R"), Label("04261", "L")], strict=True))
    table = tmp_path / "table.csv"
    table.write_text(
        "sequenceid,subjectid,eye,lens\n04233d1004,04233,Left,no\n04233d1005,04233,Right,soft\n04261d77,04261,Left,no\n"
    )
    assert read_identities(names, labels=table).labels == want
    table = tmp_path / "table.xml"
    table.write_text(
        '<biometric-signature-set xmlns="http://example.org/set">'
        '<biometric-signature name="04233"><presentation name="x" file-name="04233/04233d1004.tiff" eye="Left"/>'
        '<presentation name="y" file-name="04233/04233d1005.tiff" eye="Right"/></biometric-signature>'
        '<biometric-signature name="04261"><presentation name="z" file-name="04261/04261d77.tiff" eye="Left"/>'
        "</biometric-signature></biometric-signature-set>"
    )
    assert read_identities(names, labels=table).labels == want
    for text in ("<a><b/></a>", "<a", '<!DOCTYPE a [<!ENTITY b "c">]><a/>'):
        table.write_text(text)
        with pytest.raises(DatasetError, match=r"table\.xml"):
            read_identities(names, labels=table)


# Made up from what is public about the sets of Notre Dame and the schema of biometric signatures.
ND_ROWS = [("04233", "Left", "04233d1004"), ("04233", "Right", "04233d1005"), ("04261", "Left", "04261d77")]
ND_ROWS += [(subject, eye, f"{name}1") for subject, eye, name in ND_ROWS]
ND_SET = (
    '<?xml version="1.0"?><biometric-signature-set xmlns="http://www.bee-biometrics.org/schemas/sigset/0.1">{}</{}>'
)
ND_ENTRIES = {
    "signatures": '<biometric-signature name="nd1S{0}"><presentation name="nd1R{2}" modality="iris" Eye="{1}"'
    ' file-name="nd1/Spring2004/{2}.tiff" file-format="tiff"/></biometric-signature>',
    "complex signatures": '<complex-biometric-signature name="nd1S{0}"><complex-presentation name="nd1R{2}" eye="{1}">'
    '<presentation-component name="image"><data file-name="nd1/{2}.tiff"/></presentation-component>'
    "</complex-presentation></complex-biometric-signature>",
    "recordings": '<Recording recording_id="nd1R{2}x" subject_id="nd1S{0}" sequence_id="{2}" Eye="{1}">'
    '<Contacts value="No"/></Recording>',
    "elements": "<record><sequenceid>{2}</sequenceid><subjectid>nd1S{0}</subjectid><eye>{1}</eye></record>",
}
ND_TABLES = {
    "cosmetic lenses": "Filename,Subject ID,Left/Right Eye,Contact Lens Type\n{2}.tiff,nd1S{0},{1},T\n",
    "names of images": "Image_Name;Subject;Eye\n{2};nd1S{0};{1}\n",
}


@pytest.mark.parametrize("kind", [*ND_ENTRIES, *ND_TABLES])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_tables_of_notre_dame_that_name_other_folders(kind: str, encoding: str, tmp_path: Path):
    names = [f"images/{subject}/{name}.tiff" for subject, _, name in ND_ROWS]
    if kind in ND_ENTRIES:
        table = tmp_path / "table.xml"
        text = ND_SET.format("".join(ND_ENTRIES[kind].format(*row) for row in ND_ROWS), "biometric-signature-set")
        table.write_text(text, encoding)
    else:
        table = tmp_path / "table.csv"
        head, row = ND_TABLES[kind].splitlines()
        table.write_text("\n".join([head, *(row.format(*values) for values in ND_ROWS)]))
    found = read_identities(names, labels=table)
    assert found.labels == {
        name: Label(f"nd1S{subject}", eye[0]) for name, (subject, eye, _) in zip(names, ND_ROWS, strict=True)
    }
    assert not found.alarms


def test_a_table_that_names_no_eye_does_not_pass_in_silence(tmp_path: Path):
    table = tmp_path / "table.csv"
    table.write_text("filename,subject,lens\n" + "".join(f"{name}.tiff,{s},no\n" for s, _, name in ND_ROWS))
    found = read_identities([f"{name}.tiff" for _, _, name in ND_ROWS], labels=table)
    assert found.alarms[0].level == "wrong" and "both eyes" in found.alarms[0].text
    table.write_text("path,subject\na/1.png,a\na/2.png,a\nb/1.png,b\n")
    found = read_identities(["a/1.png", "a/2.png", "b/1.png"], labels=table)
    assert [alarm.level for alarm in found.alarms] == ["doubt"]
    assert "no eye" in found.alarms[0].text


def test_a_table_of_other_folders_counts_by_file_name_only_where_names_differ(tmp_path: Path):
    table = tmp_path / "table.csv"
    table.write_text("path,subject,eye\nx/1.png,a,L\ny/1.png,b,L\nx/2.png,a,L\n")
    assert not read_identities(["u/1.png", "u/2.png"], labels=table).labels
    table.write_text("path,subject,eye\nx/1.png,a,L\ny/3.png,b,L\n")
    found = read_identities(["u/1.png", "v/1.png", "u/3.png"], labels=table)
    assert found.labels == {"u/3.png": Label("b", "L")}
    assert list(found.rules) == ["table.csv, by file name"]


def test_entities_are_refused_in_every_encoding(tmp_path: Path):
    table = tmp_path / "table.xml"
    table.write_text('<!DOCTYPE a [<!ENTITY b "c">]><a/>', "utf-16")
    with pytest.raises(DatasetError, match="entities"):
        read_identities(["a.png"], labels=table)


def test_a_list_has_the_columns_of_a_table_of_identities(tmp_path: Path):
    (tmp_path / "a.png").touch()
    table = tmp_path / "table.csv"
    table.write_text("subject;Image Name;eye\n1;a.png;L\n")
    assert [sample.name for sample in find_images([table])] == ["a.png"]
    table.write_text("subject;picture\n1;a.png\n")
    with pytest.raises(DatasetError, match="no column path; its first line has subject, picture"):
        find_images([table])


def test_the_command_prints_a_table_and_exits_with_2_where_it_cannot_be_used(tmp_path: Path):
    for name in (*READ["OD and OS"], "notes.txt"):
        (tmp_path / "eyes" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "eyes" / name).touch()

    def command(*arguments: object) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["identities", *map(str, arguments)])
        return done.exit_code, done.output

    code, output = command(tmp_path / "eyes")
    assert code == 0 and "3 left, 3 right" in output and output.count("example") == 5
    code, output = command(tmp_path / "eyes", "--layout", "{subject}/*", "--json")
    about = json.loads(output)
    assert code == 2 and about["unknown"] == about["pictures"] == 12 and about["alarms"][0]["level"] == "unusable"
    table = tmp_path / "eyes" / "table.csv"
    table.write_text(
        "path,subject,eye\n" + "".join(f"{name},x{n // 4},L\n" for n, name in enumerate(READ["OD and OS"]))
    )
    code, output = command(table, "--json")
    about = json.loads(output)
    assert code == 0 and about["rules"] == {"table.csv": 12} and about["persons"] == about["eyes"] == 3


def test_commands_refuse_wrong_identities_before_they_read_anything(tmp_path: Path):
    def command(*arguments: object) -> tuple[int, str]:
        done = CliRunner().invoke(cli, [*map(str, arguments)])
        return done.exit_code, done.output

    for kind, commands in (("some eyes told", ("match", "evaluate")), ("one folder of many persons", ("evaluate",))):
        out = tmp_path / kind
        out.mkdir()
        records = [{"path": name, "status": "ok"} for name in DOUBTED[kind]]
        (out / "manifest.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        for name in commands:
            code, output = command(name, out, "-o", tmp_path / "results")
            assert code == 2 and "--labels or --layout" in output and len(output.strip().splitlines()) == 1
        code, output = command("identities", out)
        assert code == 2 and ("wrong" in output or "unusable" in output)
    assert not (tmp_path / "results").exists()


def test_training_refuses_them_as_well_and_takes_a_table_as_data(tmp_path: Path):
    read_eyes = pytest.importorskip("irisstn.training.data.image_folder").read_eyes

    def read(data: Path, **more: object) -> None:
        read_eyes(
            data, **{"labels": None, "validation_fraction": 0.5, "seed": 0, "progress": lambda *call: None} | more
        )

    for name in (*DOUBTED["some eyes told"], *READ["OD and OS"]):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(DatasetError, match="name the eye and others do not"):
        read(tmp_path)
    with pytest.raises(DatasetError, match="does not fit"):
        read(tmp_path, layout="iitd")
    table = tmp_path / "table.csv"
    table.write_text("path,subject\n" + "".join(f"{name},x\n" for name in READ["OD and OS"]))
    with pytest.raises(DatasetError, match="all 12 pictures are read as one eye, x"):
        read(table)
    table.write_text("path,subject\n" + "".join(f"{name},{name[0]}\n" for name in READ["OD and OS"]))
    with pytest.raises(DatasetError, match="no iris was found in any of 12 pictures"):  # they are empty files
        read(table)
    with pytest.raises(DatasetError, match="no folder and no list"):
        read(tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("path,subject,subject\na.png,1,2\n", "has the column subject twice"),
        ("path,Subject,eye,subject\na.png,1,L,2\n", "has the column subject twice"),
        ("path,subject,eye,eye\na.png,1,L,R\n", "has the column eye twice"),
        ("path,path,subject\na.png,b.png,1\n", "has the column path twice"),
        ("path,subject\na.png,1\nb.png,\0002\n", "line 3 holds a NUL"),
    ],
)
def test_a_table_that_says_two_things_or_is_damaged_is_refused(tmp_path: Path, text: str, reason: str):
    table = tmp_path / "labels.csv"
    table.write_text(text)
    with pytest.raises(DatasetError, match=reason):
        read_identities(["a.png", "b.png"], labels=table)
