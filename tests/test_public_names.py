"""The names of each __all__ exist and are documented; torch is imported only when it is needed."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import irisstn

PACKAGE = Path(irisstn.__file__).parent
# In a module without __all__ the functions and classes without an underscore are public.
PACKAGES = sorted(
    ".".join(path.parent.relative_to(PACKAGE.parent).parts)
    for path in PACKAGE.rglob("__init__.py")
    if "__all__" in path.read_text(encoding="utf-8")
)
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py")


@pytest.mark.parametrize("name", PACKAGES)
def test_public_names_exist_and_are_documented(name: str):
    package = importlib.import_module(name)
    assert package.__doc__
    assert len(set(package.__all__)) == len(package.__all__)
    for public in package.__all__:
        thing = getattr(package, public)
        if inspect.isclass(thing) or inspect.isroutine(thing):
            assert thing.__doc__, f"{name}.{public}"
            assert thing.__module__.startswith("irisstn"), f"{name}.{public} is not ours"


def test_the_list_is_complete():
    assert "irisstn" in PACKAGES
    assert irisstn.__all__ == sorted(irisstn.__all__)
    assert set(irisstn.__all__) <= set(dir(irisstn))
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    typed = {
        alias.name
        for block in tree.body
        if isinstance(block, ast.If)
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == set(irisstn.__all__)
    with pytest.raises(AttributeError, match="nothing_like_it"):
        getattr(irisstn, "nothing_like_it")  # noqa: B009


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_public_function_and_class_has_a_docstring(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), path
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path}: {node.name}"


@pytest.mark.parametrize(
    "code",
    [
        "import irisstn",
        "from irisstn import segment, normalize, Segmentation, Strip, IrisError, read_gray, measure_quality",
        "import irisstn.cli",
        "import irisstn.batch, irisstn.batch.jobs.rectify, irisstn.report",
        "import irisstn.synthetic.folder",
    ],
)
def test_torch_is_not_imported_before_it_is_needed(code: str):
    check = f"{code}\nimport sys\nassert not {{'torch', 'lightning', 'albumentations', 'skimage'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_the_rectifier_imports_torch():
    check = "import irisstn, sys; irisstn.Rectifier; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True)
