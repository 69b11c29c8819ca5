# mypy: disable-error-code="misc"
from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from irisstn.batch.jobs.embed import EmbedConfig
from irisstn.batch.jobs.rectify import RectifyConfig
from irisstn.batch.jobs.segment import SegmentConfig
from irisstn.config import Strict, load_config, shipped_configs
from irisstn.config_fields import config_fields
from irisstn.errors import ConfigError
from irisstn.training.config import TrainConfig


class Inner(Strict):
    min_radius: float = Field(0.1, gt=0, lt=1)
    rows: int = 8


class Outer(Strict):
    name: str = "plain"
    inner: Inner = Inner()
    maybe: Inner | None = None
    size: tuple[int, int] = (64, 512)


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_without_a_file():
    assert load_config(Outer) == Outer()


def test_a_file_and_then_overrides(tmp_path: Path):
    path = written(tmp_path, "name: other\ninner:\n  min_radius: 0.2\n  rows: 4\n")
    config = load_config(Outer, path, ["inner.min_radius=3e-1", "size=[32, 256]"])
    assert config == Outer(name="other", inner=Inner(min_radius=0.3, rows=4), size=(32, 256))
    assert load_config(Outer, path).inner.min_radius == 0.2


def test_overrides_from_a_mapping_leave_it_alone():
    given = {"inner": {"rows": 2}, "inner.min_radius": 0.5}
    assert load_config(Outer, overrides=given).inner == Inner(rows=2, min_radius=0.5)
    assert given["inner"] == {"rows": 2}


def test_an_empty_file_is_all_defaults(tmp_path: Path):
    assert load_config(Outer, written(tmp_path, "# nothing\n")) == Outer()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("inner.min_radus=1", ["inner.min_radus", "did you mean min_radius"]),
        ("nane=x", ["nane", "did you mean name"]),
        ("zzz=1", ["zzz", "inner, maybe, name, size"]),
        ("maybe.rowz=1", ["maybe.rowz", "rows"]),
        ("inner.min_radius=2", ["inner.min_radius", "less than 1", "got 2"]),
        ("inner.rows=many", ["inner.rows", "integer", "'many'"]),
        ("inner.rows", ["key=value"]),
        ("=3", ["key=value"]),
        ("name=[", ["name=["]),
    ],
)
def test_a_bad_override_says_what_and_where(override: str, words: list[str]):
    with pytest.raises(ConfigError) as error:
        load_config(Outer, overrides=[override])
    assert all(word in error.value.reason for word in words), error.value.reason


def test_all_problems_are_named_at_once():
    with pytest.raises(ConfigError) as error:
        load_config(Outer, overrides=["nane=1", "inner.rows=x"])
    assert "nane is unknown" in error.value.reason
    assert "inner.rows" in error.value.reason


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [1]\nb: *a\n",
        "name: one\nname: two\n",
        "- a\n- list\n",
        "1: number\n",
        "!!python/object/apply:os.system ['true']",
        "[" * 5000,
        "name: 1" + ":1" * 30_000,
        "name: {" * 40,
        "name: \x00",
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, text: str):
    with pytest.raises(ConfigError, match="config"):
        load_config(Outer, written(tmp_path, text))


def test_a_large_missing_or_binary_file(tmp_path: Path):
    with pytest.raises(ConfigError, match="more than the limit"):
        load_config(Outer, written(tmp_path, "{" + "name: 1, " * (1 << 13) + "}"))
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(Outer, tmp_path / "none.yaml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(Outer, tmp_path / "binary")


def test_models_are_frozen():
    with pytest.raises(ValidationError):
        Outer().name = "new"


def test_a_shipped_configuration_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert {"shipped", "recognizer", "toy"} <= set(shipped_configs())
    toy = load_config(TrainConfig, Path("toy"))
    assert toy == load_config(TrainConfig, shipped_configs()["toy"]) != TrainConfig()
    with pytest.raises(ConfigError, match=r"there is no file tiny, .* only recognizer, .*, toy"):
        load_config(TrainConfig, Path("tiny"))
    (tmp_path / "toy").write_text("epochs: 7", encoding="utf-8")
    assert load_config(TrainConfig, Path("toy")).epochs == 7  # a file comes first


def test_fields_in_words():
    fields = {field.name: field for field in config_fields(Outer)}
    inner, maybe = ["inner.min_radius", "inner.rows"], ["maybe.min_radius", "maybe.rows"]
    assert list(fields) == ["name", "inner", *inner, "maybe", *maybe, "size"]
    radius = fields["inner.min_radius"]
    assert (radius.kind, radius.default, radius.limits) == ("number", "0.1", "above 0 to below 1")
    assert (fields["maybe"].kind, fields["maybe"].default) == ("group or null", "null")
    assert (fields["size"].kind, fields["size"].default) == ("list of 2: whole number", "[64, 512]")
    assert list(config_fields(Outer, groups=False)) == [field for name, field in fields.items() if "." not in name]


@pytest.mark.parametrize("model", [SegmentConfig, RectifyConfig, EmbedConfig, TrainConfig])
def test_every_setting_has_a_meaning_and_can_be_given(model: type[Strict]):
    fields = list(config_fields(model))
    assert len(fields) > 8
    assert not [field.name for field in fields if not field.meaning]
    given = [f"{field.name}={field.default}" for field in fields if field.default not in ("", "null")]
    assert load_config(model, overrides=given) == model()


@pytest.mark.parametrize(
    "text", ["inner: {rows: true}", "inner: {min_radius: true}", "size: [true, 512]", "name: true"]
)
def test_true_is_no_number(tmp_path: Path, text: str):
    with pytest.raises(ConfigError, match=r"(?i)true"):
        load_config(Outer, written(tmp_path, text))


def test_true_is_taken_where_it_is_meant():
    assert load_config(SegmentConfig, None, ["overlays=true"]).overlays is True
    with pytest.raises(ConfigError, match=r"max_pixels: .*true and false"):
        load_config(SegmentConfig, None, ["max_pixels=true"])
