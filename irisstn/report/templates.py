"""Fill the templates of this folder; everything that is filled in is escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from irisstn.files import write_bytes_atomic

_FOLDER = Path(__file__).parent


@cache
def _environment() -> Environment:
    """Jinja with escaping and with an error for each name that is not filled in."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = _asset
    return environment


def _asset(name: str) -> Markup:
    """The style sheet or script in the file `name` of the folder assets, which the page holds as it is."""
    return Markup((_FOLDER / "assets" / name).read_text("utf-8"))


def write_page(path: Path, template: str, **values: object) -> None:
    """Write an HTML page, atomically.

    Parameters
    ----------
    path : Path
        The page.
    template : str
        The name of a file beside this module.
    **values : object
        What the template names. Bytes of file names that are no text become question marks.

    Raises
    ------
    OSError
        The page cannot be written.
    """
    text = _environment().get_template(template).render(values)
    write_bytes_atomic(path, text.encode("utf-8", "replace"))
