"""Try docs/open_iris_adapter.py with the real open-iris, in an environment of its own.

    python .ci/open_iris.py [--python PYTHON] [--keep FOLDER]     # PYTHON: 3.8 to 3.11, for numpy 1.24

Rectifies four of the rendered sample eyes, makes templates of the strips in the environment of open-iris, and compares
them with its matcher: those of one eye have to be closer than those of two eyes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ADAPTER = ROOT / "docs" / "open_iris_adapter.py"
EYES = [f"{eye}/{eye.replace('/', '')}0{number}.png" for eye in ("001/L", "003/R") for number in (1, 2)]
CHECK = """
import itertools, json, pathlib, sys
sys.path.insert(0, sys.argv[1])
import iris, numpy, open_iris_adapter as adapter
out, templates = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
records = list(adapter.read_records(out))
assert len(records) == 4
found = {}
for record in records:
    strip = adapter.normalized_iris(out, record)
    assert strip.normalized_image.shape == (128, 512) and strip.normalized_mask.mean() > 0.2
    centres = adapter.eye_centers(record)
    assert abs(centres.iris_x - record["iris"]["x"]) < 1e-6 and centres.center_distance < 20
    assert abs(adapter.eye_orientation(record).angle - record["rectification"]["roll_read_rad"]) < 1e-6
    template = found[record["path"]] = adapter.iris_template(strip)
    stored = json.loads((templates / (record["path"] + ".json")).read_text())
    again = iris.IrisTemplate.deserialize(stored)
    for a, b in zip(again.iris_codes + again.mask_codes, template.iris_codes + template.mask_codes):
        assert numpy.array_equal(a, b)
matcher = iris.HammingDistanceMatcher()
same, other = [], []
for (a, one), (b, two) in itertools.combinations(found.items(), 2):
    (same if a.rpartition("/")[0] == b.rpartition("/")[0] else other).append(matcher.run(one, two))
print(f"open-iris {iris.__version__}, numpy {numpy.__version__}: mated {[round(float(d), 3) for d in same]}, "
      f"non-mated {[round(float(d), 3) for d in other]}")
assert max(same) < 0.37 < min(other)
"""


def main() -> None:
    """Make the environment, unless --keep has one, and check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="Python that makes the environment of open-iris")
    parser.add_argument("--keep", type=Path, help="folder of the environment, which is kept and used again")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = (given.keep or folder / "env").resolve()
        python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if not python.exists():
            run(given.python, "-m", "venv", environment)
            run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "open-iris>=1.11,<2")
            # The headless build in place of the other one, which needs a display's libraries.
            run(python, "-m", "pip", "uninstall", "-q", "-y", "opencv-python")
            run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "opencv-python-headless==4.7.0.72")
        (folder / "eyes.txt").write_text("".join(f"{ROOT / 'data' / 'sample' / eye}\n" for eye in EYES))
        words = ["rectify", folder / "eyes.txt", "-o", folder / "out", "--size", "128x512", "--workers", "1", "--quiet"]
        run(sys.executable, "-m", "irisstn", *words)
        run(python, ADAPTER, folder / "out", folder / "templates")
        run(python, "-c", CHECK, ADAPTER.parent, folder / "out", folder / "templates")


def run(*command: object) -> None:
    """Run a command; its failure ends the script."""
    done = subprocess.run([str(word) for word in command], check=False, env=os.environ | {"IRIS_ENV": "SERVER"})
    if done.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))[:200]}")


if __name__ == "__main__":
    main()
