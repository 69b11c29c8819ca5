"""The recipes run from end to end, at toy size."""

import subprocess
import sys
from pathlib import Path

from irisstn.evaluation import read_templates
from irisstn.outputs.manifest import read_manifest

ROOT = Path(__file__).parents[1]


def test_rendered_eyes_from_end_to_end(tmp_path: Path) -> None:
    command = [sys.executable, "pipelines/synthetic_eyes.py", str(tmp_path / "out"), "--subjects", "3", "--shots", "2"]
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
