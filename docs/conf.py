"""Sphinx settings: Markdown pages (MyST), numpydoc docstrings, Click commands. Built by `make docs`."""

from __future__ import annotations

import re
from importlib.metadata import version as installed_version
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

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
autodoc_default_options = {"members": True, "undoc-members": True}
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

    `|x|` is an absolute value, not a substitution. Headings of a module are labels that would clash between pages, and
    its indented blocks are code.
    """
    escaped = [re.sub(r"(?<!\\)\|", r"\|", line) if line.count("|") > 1 else line for line in lines]
    if what == "module":
        for i in range(len(escaped) - 1):
            if escaped[i].strip() and re.fullmatch(r"-{3,}|={3,}", escaped[i + 1].strip()):
                escaped[i : i + 2] = [f".. rubric:: {escaped[i].strip()}", ""]
        for i in reversed(range(2, len(escaped))):
            before, gap, line = escaped[i - 2 : i + 1]
            starts = re.match(r"\S", before) and not gap.strip() and line.startswith("    ")
            if starts and not before.rstrip().endswith("::") and not re.match(r"[-*.>]", before):
                escaped[i - 1 : i] = ["", "::", ""]
    lines[:] = escaped


def setup(app: Any) -> None:
    """Render formulas as MathML, which browsers draw themselves: the pages need no script from the network."""
    app.add_html_math_renderer("mathml", (_inline_math, None), (_math_block, None))
    app.connect("autodoc-process-docstring", _plain_docstring, priority=400)  # before numpydoc
