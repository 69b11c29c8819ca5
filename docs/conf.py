"""Sphinx settings: Markdown pages (MyST), numpydoc docstrings, Click commands. Built by `make docs`."""

from __future__ import annotations

import re
from importlib.metadata import version as installed_version
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from pydantic import BaseModel

from irisstn.config_fields import config_fields

project = "irisstn"
author = "The irisstn developers"
project_copyright = author
version = release = installed_version("irisstn")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_click",
    "sphinx_copybutton",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
# References of a docstring need no mark in its text; a short name in a signature may be that of two documented classes.
suppress_warnings = ["ref.citation", "ref.python"]
smartquotes = False  # `--` stays two hyphens
default_role = "code"  # docstrings put names in single backticks

myst_enable_extensions = ["dollarmath", "attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
# Array aliases of `irisstn.geometry` by their names in signatures, not spelt out.
autodoc_type_aliases = {
    name: name for name in ("ArrayLike", "Bool", "Float", "Float32", "Gray", "Json", "Eyelids", "Record")
}
python_maximum_signature_line_length = 88
numpydoc_show_class_members = False  # autodoc lists them
numpydoc_class_members_toctree = False
autosummary_generate = False  # numpydoc loads the extension; no page uses it

html_theme = "furo"
html_title = f"irisstn {release}"
html_static_path = ["_static"]
html_css_files = ["irisstn.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
copybutton_exclude = ".linenos, .gp, .go"


def _inline_math(translator: Any, node: nodes.math) -> None:
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _math_block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>\n')
    raise nodes.SkipNode


def _plain_docstring(app: Any, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Make a docstring safe for reStructuredText.

    `|x|` is an absolute value, not a substitution, and markup may follow a sign. Headings of a module are labels that
    would clash between pages, its indented blocks are code, and its lines "name    meaning" are a list of definitions.
    """
    escaped = [re.sub(r"(?<!\\)\|", r"\|", line) if line.count("|") > 1 else line for line in lines]
    escaped = [line.replace("±`", "±\\ `") for line in escaped]
    if isinstance(obj, type) and issubclass(obj, BaseModel) and "Attributes" not in lines:
        escaped += _described_fields(obj)
    if what == "module":
        for i in reversed(range(len(escaped))):
            if row := re.fullmatch(r"(\S+) {2,}(\S.*)", escaped[i]):
                escaped[i : i + 1] = [f"`{row[1]}`", f"    {row[2]}"]
        for i in range(len(escaped) - 1):
            if escaped[i].strip() and re.fullmatch(r"-{3,}|={3,}", escaped[i + 1].strip()):
                escaped[i : i + 2] = [f".. rubric:: {escaped[i].strip()}", ""]
        for i in reversed(range(2, len(escaped))):
            before, gap, line = escaped[i - 2 : i + 1]
            starts = re.match(r"\S", before) and not gap.strip() and line.startswith("    ")
            if starts and not before.rstrip().endswith("::") and not re.match(r"[-*.>]", before):
                escaped[i - 1 : i] = ["", "::", ""]
    lines[:] = escaped


def _described_fields(model: type[BaseModel]) -> list[str]:
    """The section of the fields of a configuration, from their descriptions and defaults."""
    lines = ["", "Attributes", "----------"]
    for field in config_fields(model, groups=False):
        about = [field.kind, field.limits, field.default and f"default {field.default}"]
        lines += [f"{field.name} : {', '.join(filter(None, about))}", f"    {field.meaning}"]
    return lines


def _skip_member(app: Any, what: str, name: str, obj: object, skip: bool, options: Any) -> bool | None:
    """Leave out the settings of pydantic, and fields of named tuples, which their class describes."""
    return True if name == "model_config" or str(getattr(obj, "__doc__", "")).startswith("Alias for field") else None


def _plain_signature(app: Any, what: str, name: str, obj: object, options: Any, signature: str, returns: str) -> Any:
    """Array aliases and functions by their names."""
    if isinstance(obj, type) and issubclass(obj, BaseModel):
        return "", returns  # its fields are described below
    pattern = r"TypeAliasForwardRef\('(\w+)'\)|<function (\w+) at \w+>"
    return tuple(text and re.sub(pattern, r"\1\2", text) for text in (signature, returns))


def _plain_defaults(app: Any, context: Any, lines: list[str]) -> None:
    """Defaults of options without quotes, and those that a function gives by their value."""
    values = {repr(p.default): str(p.default()) for p in context.command.params if callable(p.default)}
    for i, line in enumerate(lines):
        text = re.sub(r"(:default: ``)'(.*)'``", r"\1\2``", line)
        for function, value in values.items():
            text = text.replace(function, value)
        lines[i] = text


def _plain_citations(app: Any, document: nodes.document, name: str) -> None:
    """Citations by their numbers: numpydoc gives them unique names, and turns back those it finds again."""
    for text in list(document.findall(nodes.Text)):
        if match := re.fullmatch(r"\[?R[0-9a-f]{12}-(\d+)\]?", text.astext()):
            text.parent.replace(text, nodes.Text(f"[{match[1]}]"))


def setup(app: Any) -> None:
    """Render formulas as MathML, which browsers draw themselves: the pages need no script from the network."""
    app.connect("autodoc-skip-member", _skip_member)
    app.connect("autodoc-process-signature", _plain_signature)
    app.connect("sphinx-click-process-options", _plain_defaults)
    app.connect("doctree-resolved", _plain_citations)
    app.add_html_math_renderer("mathml", (_inline_math, None), (_math_block, None))
    app.connect("autodoc-process-docstring", _plain_docstring, priority=400)  # before numpydoc
