"""Arrows point one way, downward, and torch stays where it belongs."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "irisstn"
LAYERS = [
    {"errors", "geometry", "config", "processes", "weights"},
    {"image_headers", "images", "datasets", "synthetic"},
    {"segmentation"},
    {"normalization", "context", "quality", "outputs"},
    {"stn"},
    {"context_tensors", "weights_file", "roll", "rectifier", "recognition"},
    {"training", "evaluation"},
    {"batch"},
    {"report", "export", "doctor"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
# The truth of a rendered eye has the type of what is to be found.
ALLOWED = {("synthetic", "irisstn.segmentation.result")}
TORCH = {"torch", "torchvision", "lightning", "pytorch_metric_learning"}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, *, at_top: bool = False) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if at_top else list(ast.walk(tree))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_downward(path: Path):
    part = part_of(path)
    for name in imports(path):
        top, *rest = name.split(".")
        assert top != "pipelines", f"{path} imports {name}"
        if (
            top != "irisstn"
            or not rest
            or rest[0] == part
            or name.startswith(tuple(n for p, n in ALLOWED if p == part))
        ):
            continue
        assert rest[0] in RANK, f"{path} imports {name}: give it a layer"
        assert RANK[rest[0]] <= RANK[part], f"{path} imports {name} from above"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_torch_stays_above_the_stn(path: Path):
    above = RANK[part_of(path)] >= RANK["stn"]
    for name in imports(path, at_top=part_of(path) in ("batch", "report", "cli")):
        if name.split(".")[0] in TORCH:
            assert above, f"{path} imports {name}"
            assert part_of(path) not in ("batch", "report", "cli"), f"{path} imports {name} before it is needed"
        if name.split(".")[0] == "albumentations":
            assert part_of(path) == "training", f"{path} imports {name}"


def test_every_part_has_a_layer():
    assert {part_of(path) for path in FILES} <= set(RANK)
    assert len(FILES) > 40
