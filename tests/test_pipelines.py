"""The pipelines run from end to end, at toy size, and use public names only."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

from irisstn.evaluation import read_templates
from irisstn.outputs.manifest import read_manifest

ROOT = Path(__file__).parents[1]


def test_rendered_eyes_from_end_to_end(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "pipelines/synthetic_eyes.py",
        str(tmp_path / "out"),
        "--subjects",
        "3",
        "--captures",
        "2",
    ]
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert first.returncode == 0, first.stderr
    rows = [line.split() for line in first.stdout.splitlines()]
    assert [row[:2] for row in rows[1:]] == [
        ["segmented", "±0"],
        ["segmented", "±16"],
        ["rectified", "±0"],
        ["rectified", "±16"],
    ]
    assert first.stdout == (tmp_path / "out" / "table.txt").read_text()
    for name in ("segmented", "rectified"):
        assert len(read_templates(tmp_path / "out" / name).codes) >= 10
    assert all("roll_rad" in record["rectification"] for record in read_manifest(tmp_path / "out" / "rectified"))

    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert again.stdout == first.stdout


def test_pipelines_import_public_names_only() -> None:
    checked = 0
    for path in sorted((ROOT / "pipelines").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not str(node.module).startswith("irisstn"):
                continue
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                if hasattr(module, "__path__"):  # a package
                    assert alias.name in module.__all__, f"{path.name}: {node.module}.{alias.name}"
                else:  # a module directly below irisstn
                    assert str(node.module).count(".") == 1, f"{path.name}: {node.module} is not public"
                    assert not alias.name.startswith("_"), f"{path.name}: {node.module}.{alias.name}"
                checked += 1
    assert checked > 20
