"""YAML files and dotted overrides, read into typed models.

Every stage defines its own model, derived from `Strict`, beside its code, with the defaults. A configuration file and
the overrides contain only what differs from them.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeVar, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from irisstn.errors import ConfigError, one_line
from irisstn.files import read_regular_file

MAX_BYTES = 1 << 16  # of a file: a megabyte of YAML can take a minute to read
_MAX_DEPTH = 20
_MAX_NUMBER = 1000  # characters of a whole number
_INTEGER = "tag:yaml.org,2002:int"


class Strict(BaseModel):
    """Base of the configuration models: frozen, without unknown keys, and with checked defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_bool_as_number(cls, value: object, info: ValidationInfo) -> object:
        """Refuse true where no bool is meant: pydantic takes it for the number 1."""
        if _holds_bool(value) and not {bool, object} & set(_kinds(cls.model_fields[str(info.field_name)].annotation)):
            raise ValueError("true and false are no values of it")
        return value


Model = TypeVar("Model", bound=BaseModel)


def load_config(
    model: type[Model], path: Path | None = None, overrides: Mapping[str, object] | Sequence[str] = ()
) -> Model:
    """Read a configuration from a YAML file and overrides.

    Parameters
    ----------
    model : type
        The pydantic model to read.
    path : Path, optional
        The YAML file, or the name of a configuration that irisstn ships, such as "shipped"; None for the defaults.
    overrides : mapping or sequence of str
        Applied after the file: values by dotted name, or texts such as "segmentation.min_usable=0.1", whose value is
        read as YAML.

    Returns
    -------
    BaseModel
        An instance of `model`.

    Raises
    ------
    ConfigError
        For a file that cannot be read, an unknown key (with the most similar known ones), and a value of the wrong
        type or out of range.
    """
    values = _read(path) if path is not None else {}
    pairs = overrides.items() if isinstance(overrides, Mapping) else [_parse(text) for text in overrides]
    for name, value in pairs:
        _put(values, name, value)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        where = f"{path}: " if path is not None else ""
        raise ConfigError(where + "; ".join(_explain(model, error))) from None


def _read(path: Path) -> dict[str, object]:
    if path.name == str(path) and not path.suffix and not path.is_file():
        path = _shipped(path.name)
    try:
        text = read_regular_file(path, max_bytes=MAX_BYTES).decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # no text, or no regular file of a size that a configuration may have
        raise ConfigError(f"{path} cannot be read: {error}") from None
    values = _load(text, str(path))
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ConfigError(f"{path} must hold names and values, like `epochs: 10`")
    return values


def shipped_configs() -> dict[str, Path]:
    """The configurations of `irisstn train` that irisstn ships, by name."""
    installed, checkout = Path(__file__).parent / "configs", Path(__file__).parents[1] / "configs"
    folder = installed if installed.is_dir() else checkout
    return {path.stem: path for path in sorted(folder.glob("*.yaml")) if not path.stem.startswith("mnist")}


def _shipped(name: str) -> Path:
    """The file of a configuration that irisstn ships."""
    known = shipped_configs()
    if name not in known:
        raise ConfigError(f"there is no file {name}, and irisstn ships no such configuration, only {', '.join(known)}")
    return known[name]


def _parse(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"an override reads key=value, got {text!r}")
    return name.strip(), _load(value, _short(text))


def _load(text: str, where: str) -> object:
    try:
        # The loader is derived from SafeLoader, which creates plain values only.
        values: object = yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{where}: {one_line(error)}") from None
    return values


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses aliases (a few can expand to gigabytes), repeated keys, deep nesting and huge numbers."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("anchors and aliases are not allowed")
        self._depth = getattr(self, "_depth", 0) + 1
        if self._depth > _MAX_DEPTH:
            raise yaml.YAMLError("nested too deeply")
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(node, yaml.ScalarNode) and node.tag == _INTEGER and len(node.value) > _MAX_NUMBER:
            raise yaml.YAMLError(f"a number of {len(node.value)} characters")  # its conversion takes time by the square
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.YAMLError(f"{name} is given twice (line {key.start_mark.line + 1})")
            seen.add(name)
        return dict(super().construct_mapping(node, deep=deep))


def _put(values: dict[str, object], name: str, value: object) -> None:
    first, dot, rest = name.partition(".")
    if not dot:
        values[first] = value
        return
    below = values.get(first)
    inner = dict(below) if isinstance(below, dict) else {}  # a copy, because the mapping belongs to the caller
    _put(inner, rest, value)
    values[first] = inner


def _explain(model: type[BaseModel], error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        place = problem["loc"]
        name = ".".join(str(part) for part in place) or model.__name__
        if problem["type"] == "extra_forbidden":
            owner = _model_at(model, place[:-1])
            known = sorted(owner.model_fields) if owner is not None else []
            near = difflib.get_close_matches(str(place[-1]), known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"known here: {', '.join(known)}"
            lines.append(f"{name} is unknown; {hint}")
        else:
            message = problem["msg"][:1].lower() + problem["msg"][1:]
            lines.append(f"{name}: {message}, got {_short(repr(problem['input']))}")
    return lines


def _model_at(model: type[BaseModel], place: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model that has the field at the end of the path `place`, through members of unions and items of lists."""
    current: type[BaseModel] | None = model
    for part in place:
        field = current.model_fields.get(str(part)) if current is not None else None
        if field is None:
            continue
        current = next((kind for kind in _kinds(field.annotation) if _is_model(kind)), None)
    return current


def _kinds(annotation: object) -> list[type]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation]
    return [kind for part in get_args(annotation) for kind in _kinds(part)]


def _holds_bool(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, list | tuple) and any(_holds_bool(part) for part in value))


def _is_model(kind: type) -> bool:
    return issubclass(kind, BaseModel)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def parse_size(size: object) -> object:
    """Split a size that is written as text.

    Parameters
    ----------
    size : object
        Text such as "64x512", or any other value.

    Returns
    -------
    object
        The two parts of the text; any other value as it is, to be checked by the model.

    Examples
    --------
    >>> parse_size("64x512")
    ('64', '512')
    """
    if isinstance(size, str) and size.count("x") == 1:
        return tuple(size.split("x"))
    return size


MAX_SIDE = 4096  # of a strip, rows or columns
Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Size = Annotated[tuple[Side, Side], BeforeValidator(parse_size)]
