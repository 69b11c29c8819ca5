"""The fields of a configuration as texts: name, type, default, range and meaning, for lists of settings.

A field's meaning is its description or, where it has none, the entry of its class's docstring.
"""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

_KINDS = {
    "bool": "true or false",
    "int": "whole number",
    "float": "number",
    "str": "text",
    "Path": "path",
    "NoneType": "null",
}


@dataclass(frozen=True, slots=True)
class ConfigField:
    """One setting.

    Attributes
    ----------
    name : str
        Its name, with dots below another setting, as in a configuration file and for `--set`.
    kind : str
        Its type in words; the names that may be chosen are divided by bars.
    default : str
        Its default as YAML; empty for a group of settings.
    limits : str
        Its range, such as "0..1" or "above 0"; empty where there is none.
    meaning : str
        One sentence.
    """

    name: str
    kind: str
    default: str
    limits: str
    meaning: str


def config_fields(model: type[BaseModel], *, prefix: str = "", groups: bool = True) -> Iterator[ConfigField]:
    """The settings of a configuration.

    Parameters
    ----------
    model : type
        The configuration.
    prefix : str
        Put before each name.
    groups : bool
        Whether each group is followed by its members.

    Yields
    ------
    ConfigField
        In the order of the definition.
    """
    hints = get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        group = next((part for part in _parts(hints[name]) if issubclass(part, BaseModel)), None)
        default = field.get_default(call_default_factory=True)
        shown = "" if isinstance(default, BaseModel) else json.dumps(default, default=str, ensure_ascii=False)
        meaning = field.description or _documented(model).get(name) or (inspect.getdoc(group) or "").split("\n\n")[0]
        kind, limits = _kind(hints[name]), _limits(field, hints[name])
        yield ConfigField(prefix + name, kind, shown, limits, " ".join(meaning.split()))
        if group is not None and groups:
            yield from config_fields(group, prefix=f"{prefix}{name}.")


def _parts(annotation: object) -> Iterator[type]:
    """The classes that an annotation is made of."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _kind(annotation: Any) -> str:
    """A type in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        kind = " | ".join(map(str, arguments))
    elif origin in (Union, types.UnionType):
        kind = " or ".join(map(_kind, arguments))
    elif origin is tuple:
        several = "" if arguments[-1] is Ellipsis else f" of {len(arguments)}"
        kind = f"list{several}: {_kind(arguments[0])}"
    elif origin is not None:  # Annotated
        kind = _kind(arguments[0])
    elif issubclass(annotation, BaseModel):
        kind = "group"
    else:
        kind = _KINDS.get(annotation.__name__, annotation.__name__)
    return kind


def _limits(field: FieldInfo, annotation: object) -> str:
    """The range of a field, or of each member of a list, in words."""
    low = high = step = ""
    for limit in (*field.metadata, *_constraints(annotation)):
        match limit:
            case annotated_types.Ge(ge=value):
                low = f"{value:g}"
            case annotated_types.Gt(gt=value):
                low = f"above {value:g}"
            case annotated_types.Le(le=value):
                high = f"{value:g}"
            case annotated_types.Lt(lt=value):
                high = f"below {value:g}"
            case annotated_types.MultipleOf(multiple_of=value):
                step = f", a multiple of {value}"
    if low and high:
        return (f"{low} to {high}" if "o" in low + high else f"{low}..{high}") + step
    if low:
        return (low if low.startswith("above") else f"{low} or more") + step
    return (high and (high if high.startswith("below") else f"up to {high}")) + step


def _constraints(annotation: object) -> Iterator[object]:
    """The constraints in an annotation, also of the members of a list."""
    for constraint in getattr(annotation, "__metadata__", ()):
        yield from constraint.metadata if isinstance(constraint, FieldInfo) else [constraint]
    for part in get_args(annotation):
        yield from _constraints(part)


def _documented(model: type[BaseModel]) -> dict[str, str]:
    """The texts under "Attributes" in the docstring of a class, by name."""
    _, heading, text = (inspect.getdoc(model) or "").partition("Attributes\n----------\n")
    entries = re.findall(r"^(\w[\w, ]*) : .*\n((?:    .*\n?)+)", text, re.MULTILINE) if heading else []
    return {name: " ".join(meaning.split()) for names, meaning in entries for name in names.split(", ")}
