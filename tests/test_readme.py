"""What the README promises a stranger: its lines of code run, its commands and paths exist."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


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


@pytest.mark.parametrize("command", sorted(set(re.findall(r"^    irisstn (\w+)", README, re.MULTILINE))))
def test_every_command_named_has_help(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "irisstn", command, "--help"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0
    assert f"irisstn {command}" in done.stdout
    assert f"\n    irisstn {command} " in done.stdout  # an example, as it is typed
    # Every option that the README shows with the command is one that it has.
    for line in re.findall(rf"^    irisstn {command} (.*)$", README, re.MULTILINE):
        for option in re.findall(r"(?<!\S)--?[a-z]+", line.split("#")[0]):
            assert re.search(rf"(?<!\S){option}\b", done.stdout), f"{option} of `{command}`"


def test_every_path_named_exists() -> None:
    assert re.search(r"^    make demo", README, re.MULTILINE)
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    tree = [
        part.strip(",").rstrip("/")
        for part in re.findall(r"^    ((?:irisstn|pipelines|benchmarks)/\S*)", README, re.MULTILINE)
    ]
    assert links
    assert len(tree) > 8
    missing = [name for name in [*links, *tree] if not (ROOT / name).exists()]
    assert not missing
    configs = re.findall(r"configs/\w+\.yaml", README)
    assert configs
    assert all((ROOT / name).is_file() for name in configs)


def test_the_sample_holds_rendered_eyes_only() -> None:
    pictures = sorted(path.relative_to(ROOT / "data" / "sample") for path in (ROOT / "data" / "sample").rglob("*.*"))
    assert len(pictures) == 12
    assert all(re.fullmatch(r"(\d{3})/([LR])/\1\2\d\d\.png", path.as_posix()) for path in pictures)


def test_the_makefile_knows_the_readmes_commands() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^    make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
