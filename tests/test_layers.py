"""Modules import only from lower layers, and torch is imported only where it is needed."""

import ast
from pathlib import Path

import pytest
from slow_tests import SLOW

PACKAGE = Path(__file__).parents[1] / "irisstn"
LAYERS = [
    {"errors", "files", "geometry", "weights", "worker_server"},
    {"config", "config_fields", "results", "progress", "extras", "processes"},
    {"bilevel_png", "gray_levels", "image_headers"},
    {"jpeg_completeness"},
    {"image_decoding"},
    {"optional_formats"},
    {"images"},
    {"datasets", "segmentation", "stn", "weights_file", "onnx_files"},
    {"iso_images", "normalization", "quality", "strip_conventions"},
    {"gaze", "iris_code", "storage", "capture_warnings", "quality_score"},
    {"outputs", "rectification", "recognition"},
    {"evaluation", "networks", "synthetic", "visualization"},
    {"report"},
    {"batch", "pipeline", "training"},
    {"doctor", "sklearn"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
# Parts that may import torch when they are imported; those in LAZY import it inside the functions that need it.
NETWORKS = {"stn", "weights_file", "rectification", "recognition", "visualization", "training"}
LAZY = {"batch", "report", "cli", "doctor", "onnx_files"}
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
        if top != "irisstn" or not rest or rest[0] == part:
            continue
        assert rest[0] in RANK, f"{path} imports {name}: give it a layer"
        assert RANK[rest[0]] < RANK[part], f"{path} imports {name}, which is not below it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_torch_is_imported_only_where_networks_are(path: Path):
    part = part_of(path)
    for name in imports(path, at_top=part in LAZY):
        if name.split(".")[0] in TORCH:
            assert part in NETWORKS, f"{path} imports {name}"
        if name.split(".")[0] == "albumentations":
            assert part == "training", f"{path} imports {name}"


def test_every_part_has_a_layer():
    assert {part_of(path) for path in FILES} <= set(RANK)
    assert len(FILES) > 40


def test_slow_tests_exist():
    """A test that is renamed would otherwise become a fast one."""
    for file, names in SLOW.items():
        text = (PACKAGE.parent / "tests" / file).read_text(encoding="utf-8")
        assert not [name for name in names if f"def {name}(" not in text], file


def test_no_process_is_forked():
    """A fork of a process with threads, such as torch's or OpenCV's, can deadlock: each pool names another method.

    The fork server has one thread, see `tests/test_worker_server.py`.
    """
    root = PACKAGE.parent
    pools = []
    for path in sorted(
        file for folder in ("irisstn", "pipelines", "benchmarks", "docs") for file in (root / folder).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("ProcessPoolExecutor", "get_context")):
                pools.append((path.name, ast.unparse(node)))
    assert len(pools) >= 4
    for name, call in pools:
        named = any(method in call for method in ("spawn", "forkserver"))
        assert named or "context" in call.partition("(")[2], f"{name}: {call}"
