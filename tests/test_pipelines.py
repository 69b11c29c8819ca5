"""The pipelines run from end to end, at toy size, and use public names only."""

import ast
import importlib
from pathlib import Path

import click
import pytest
import synthetic_eyes
from click.testing import CliRunner

from irisstn.evaluation import read_templates
from irisstn.outputs.manifest import read_manifest

ROOT = Path(__file__).parents[1]


def test_rendered_eyes_from_end_to_end(tmp_path: Path) -> None:
    def run() -> str:
        config = ROOT / "configs" / "toy.yaml"
        return synthetic_eyes.main(tmp_path / "out", subjects=3, captures=2, config=config).read_text()

    first = run()
    rows = [line.split() for line in first.splitlines()]
    assert [row[:2] for row in rows[1:]] == [
        ["segmented", "±0"],
        ["segmented", "±16"],
        ["rectified", "±0"],
        ["rectified", "±16"],
    ]
    for name in ("segmented", "rectified"):
        assert len(read_templates(tmp_path / "out" / name).codes) >= 10
    assert all("roll_rad" in record["rectification"] for record in read_manifest(tmp_path / "out" / "rectified"))

    assert run() == first


@pytest.mark.parametrize("script", sorted((ROOT / "pipelines").glob("*.py")), ids=lambda script: script.stem)
def test_pipelines_are_commands_with_help(script: Path) -> None:
    module = importlib.import_module(script.stem)
    commands = [value for value in vars(module).values() if isinstance(value, click.Command)]
    assert len(commands) == ("__main__" in script.read_text(encoding="utf-8"))
    for command in commands:
        assert CliRunner().invoke(command, ["--help"]).exit_code == 0


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
