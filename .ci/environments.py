"""Build the source distribution and the wheel, and try the wheel in an empty environment for each extra.

    python .ci/environments.py [EXTRA ...] [--keep FOLDER]     # default: core onnx torch train

Each environment segments data/sample, does what its extra is for, and must answer the rest with one line that names
the missing extra. Prints the size of each environment and the time of its installation. Run it with a Python that has
setuptools.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ("core", "onnx", "torch", "train")
PIPELINE = """
import pathlib, sys, irisstn
pictures = sorted(pathlib.Path(sys.argv[1]).rglob("*.png"))[:3]
pipeline = irisstn.Pipeline(runtime=sys.argv[2])
assert pipeline.embed(pictures).shape == (3, 512)
assert pipeline.compare(pictures[0], pictures[0]).decision == "match"
"""
TRAINING_STEP = """
import torch, irisstn
rectifier = irisstn.Rectifier.load().train()
optimizer = torch.optim.SGD(rectifier.parameters(), lr=0.01)
rectifier(torch.rand(2, 1, 32, 256)).square().mean().backward()
optimizer.step()
"""
SAMPLE = ROOT / "data" / "sample"


def build(folder: Path) -> Path:
    """Build the source distribution, and from it the wheel; returns the wheel."""
    build_in(ROOT, "sdist", folder)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    missing = [name for name in tracked.stdout.splitlines() if not (source / name).exists()]
    require(not missing, f"not in the source distribution: {missing}")
    build_in(source, "wheel", folder)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        configs = {Path(name).stem for name in content.namelist() if name.endswith(".yaml")}
    expected = {path.stem for path in (ROOT / "configs").glob("*.yaml") if not path.stem.startswith("mnist")}
    require(configs == expected, f"the wheel holds the configurations {sorted(configs)}, not {sorted(expected)}")
    print(f"{archive.name}: {archive.stat().st_size / 1e6:.1f} MB; {wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB")
    return wheel


def build_in(source: Path, kind: str, folder: Path) -> None:
    """Build one kind of distribution of the project in `source` into `folder`."""
    with tempfile.TemporaryDirectory() as copy:  # the build leaves folders behind
        ignored = shutil.ignore_patterns(
            ".git", ".venv*", "*.egg-info", "build", "out", "runs", "__pycache__", "_build"
        )
        shutil.copytree(source, copy, ignore=ignored, dirs_exist_ok=True)
        code = f"import setuptools.build_meta as backend; backend.build_{kind}({str(folder)!r})"
        subprocess.run([sys.executable, "-c", code], cwd=copy, check=True, capture_output=True)


def require(holds: bool, message: str) -> None:
    """End with `message` where something does not hold."""
    if not holds:
        raise SystemExit(f"Error: {message}")


def require_page_works(page: Path) -> None:
    """Check that the script of a report draws its rows, in Chromium where it is installed."""
    require("001L01.png" in page.read_text(encoding="utf-8"), f"{page.name} does not list the pictures")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        print("       Chromium is not installed: the script of report.html was not run")
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        switches = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--dump-dom"]
        done = subprocess.run([browser, *switches, page.as_uri()], capture_output=True, text=True, check=True)
    require(done.stdout.count("<tr data-index=") >= 8, f"the script of {page.name} draws no rows in {browser}")


class Environment:
    """A new virtual environment with the wheel and one extra."""

    def __init__(self, folder: Path, wheel: Path, extra: str) -> None:
        self.folder, self.extra = folder, extra
        venv.create(folder, with_pip=True, clear=True)
        self.programs = folder / ("Scripts" if os.name == "nt" else "bin")
        empty = self._size()
        start = time.perf_counter()
        wanted = str(wheel) if extra == "core" else f"{wheel}[{extra}]"
        self.run("python", "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), wanted)
        taken = time.perf_counter() - start
        print(f"{extra:<6} {(self._size() - empty) / 1e6:6.0f} MB  installed in {taken:4.0f} s")

    def run(self, program: str, *words: str, code: int = 0) -> str:
        """The output of a program of the environment, which must end with the exit code `code`."""
        given = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        suffix = ".exe" if os.name == "nt" else ""
        done = subprocess.run(
            [str(self.programs / (program + suffix)), *words],
            cwd=self.folder,
            env=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        require(done.returncode == code, f"{self.extra}: {program} {' '.join(words)}: {done.returncode}\n{done.stdout}")
        return done.stdout

    def timed(self, *words: str) -> None:
        """Run a command of irisstn and print its time."""
        start = time.perf_counter()
        self.run("irisstn", *words)
        print(f"{self.extra:<6} {time.perf_counter() - start:9.1f} s   irisstn {words[0]}")

    def refuses(self, extra: str, *words: str) -> None:
        """Check that a command of irisstn ends with one line that names a missing extra."""
        answer = self.run("irisstn", *words, code=2)
        one = answer.startswith("Error: ") and answer.count("\n") == 1
        require(one and f'pip install "irisstn[{extra}]"' in answer, f"{self.extra}: {' '.join(words)}: {answer}")
        print(f"{self.extra:<6}             {answer.strip()}")

    def _size(self) -> int:
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())


def try_environment(environment: Environment) -> None:
    """Do in an environment what its extra is for, and see that it refuses the rest."""
    has = environment.extra
    eyes = str(SAMPLE)
    environment.timed("doctor")
    environment.run("irisstn", "settings")
    environment.timed("segment", eyes, "-o", "segmented")
    environment.timed("match", "segmented", "-o", "scores")
    environment.run("irisstn", "identities", eyes)
    environment.timed("measure", eyes, "--csv", "measured.csv")
    require("gaze_deg" in (environment.folder / "measured.csv").read_text(encoding="utf-8"), "measured.csv has no gaze")
    require_page_works(environment.folder / "segmented" / "report.html")
    environment.run("irisstn", "synth", "-o", "eyes", "--subjects", "1", "--captures", "1")
    two = [str(path) for path in sorted(SAMPLE.rglob("*.png"))[:2]]
    runtime = {"core": None, "onnx": "onnx"}.get(has, "torch")
    if runtime is None:
        environment.refuses("onnx", "rectify", eyes, "-o", "unrectified")
        environment.refuses("onnx", "embed", eyes, "-o", "unrectified")
        environment.refuses("onnx", "align", *two)
        environment.refuses("onnx", "match", *two)
    else:
        environment.timed("rectify", eyes, "-o", "rectified", "--runtime", runtime)
        environment.timed("embed", eyes, "-o", "embedded", "--runtime", runtime)
        environment.run("python", "-c", PIPELINE, eyes, runtime)
    if runtime == "torch":
        environment.run("python", "-c", TRAINING_STEP)
    else:
        environment.refuses("torch", "rectify", eyes, "-o", "unrectified", "--runtime", "torch")
        environment.refuses("torch", "embed", eyes, "-o", "unrectified", "--runtime", "torch")
        answer = environment.run("python", "-c", "import irisstn; irisstn.Rectifier", code=1)
        require('pip install "irisstn[torch]"' in answer.splitlines()[-1], answer)
    if has == "train":
        environment.timed("train", "-o", "run", "--config", "toy")
    else:
        environment.refuses("train", "train", "-o", "run", "--config", "toy")
    environment.refuses("export", "export", "-o", "rectifier.onnx")
    environment.refuses("report", "evaluate", "segmented")
    left = {path.name for path in environment.folder.iterdir()}
    require("unrectified" not in left and ("rectified" in left) == (runtime is not None), f"{has} left {left}")


def main() -> None:
    """Build, and try each environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extras", nargs="*", default=ENVIRONMENTS, metavar="EXTRA", help="core, onnx, torch, train")
    parser.add_argument("--keep", type=Path, help="folder in which the environments stay")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        wheel = build(folder / "built")
        for extra in given.extras:
            try_environment(Environment(folder / extra, wheel, extra))


if __name__ == "__main__":
    main()
