"""The README: its lines of code run, its commands, options and paths exist."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from irisstn.cli import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"^    irisstn (\w+)", README, re.MULTILINE)))


def test_the_six_lines_run() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    lines = [line for line in code.splitlines() if line and not line.startswith("import")]
    assert len(lines) == 6
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    size, roll = done.stdout.rsplit(" ", 1)
    assert size == "(64, 512)"
    assert abs(float(roll)) < 0.6


def test_the_main_commands_are_named() -> None:
    assert {"segment", "rectify", "train"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_named_has_help(command: str) -> None:
    done = CliRunner().invoke(cli, [command, "--help"], prog_name="irisstn")
    assert done.exit_code == 0
    assert f"irisstn {command}" in done.stdout
    assert f"\n    irisstn {command}" in done.stdout  # an example, as it is typed
    # Every option that the README shows with the command is one that it has.
    lines = re.findall(rf"^    irisstn {command} (.*)$", README, re.MULTILINE)
    assert lines
    for line in lines:
        for option in re.findall(r"(?<!\S)--?[a-z]+", line.split("#")[0]):
            assert re.search(rf"(?<!\S){option}\b", done.stdout), f"{option} of `{command}`"


def test_every_path_named_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    scripts = re.findall(r"\b(?:pipelines|benchmarks|configs)/[\w.]+", README)
    assert len(links) > 8
    assert len(scripts) > 1
    missing = [name for name in [*links, *scripts] if not (ROOT / name).exists()]
    assert not missing


def test_the_sample_holds_rendered_eyes_only() -> None:
    pictures = sorted(path.relative_to(ROOT / "data" / "sample") for path in (ROOT / "data" / "sample").rglob("*.*"))
    assert len(pictures) == 12
    assert all(re.fullmatch(r"(\d{3})/([LR])/\1\2\d\d\.png", path.as_posix()) for path in pictures)


def test_the_makefile_has_the_commands_of_readme_and_contributing() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    texts = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^    make (\w+)", texts, re.MULTILINE))
    assert {"demo", "test", "quick", "format", "docs"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
