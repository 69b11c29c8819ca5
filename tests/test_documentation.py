"""The documentation: what scripts make is up to date, its examples run, and its pages build without a warning."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from make_architecture import diagram, read_layers
from make_results import RESULTS, cell_text, performance_page, results_page

import irisstn
from irisstn.outputs.records import Record, RecordFields

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


def test_the_page_of_results_is_made_from_the_files_of_the_benchmarks() -> None:
    assert results_page(RESULTS) == (DOCS / "results.md").read_text(encoding="utf-8"), "run `make docs`"
    performance = (DOCS / "performance.md").read_text(encoding="utf-8")
    assert performance_page(RESULTS) == performance, "run `make docs`"


def test_intervals_of_the_readme_stand_in_the_results() -> None:
    figures = re.findall(r"\d[\d.]*\s\[[\d., ]+\]", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(figures) > 5
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    assert not [figure for figure in figures if re.sub(r"\s", " ", figure) not in page]


def test_results_are_laid_out_as_tables(tmp_path: Path) -> None:
    row = ["all", {"value": 2.5, "n": 7, "unit": "ms"}]
    result = {
        "benchmark": "speed",
        "command": "python benchmarks/speed.py",
        "commit": None,
        "date": "2026-01-02",
        "machine": "two cores",
        "versions": {"numpy": "2.0"},
        "seed": 3,
        "tables": [{"title": "Time", "columns": ["what", "ms"], "rows": [row]}],
    }
    (tmp_path / "speed.json").write_text(json.dumps(result))
    page = results_page(tmp_path)
    assert "## speed" in page
    assert "| what | ms |\n| --- | --- |\n| all | 2.5 ms (n = 7) |" in page
    assert "| Seed | 3 |" in page
    assert "`python benchmarks/speed.py`" in page


def test_results_without_files_or_with_ragged_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no results"):
        results_page(tmp_path)
    ragged = {"title": "Time", "columns": ["a", "b"], "rows": [["one"]]}
    result = {"benchmark": "x", "command": "y", "date": "", "machine": "", "tables": [ragged]}
    (tmp_path / "x.json").write_text(json.dumps(result))
    with pytest.raises(ValueError, match="2 cells"):
        results_page(tmp_path)


def test_cells_as_text() -> None:
    interval = {"value": 0.1, "low": 0.0, "high": 0.3333, "n": 1438, "unit": "%"}
    assert cell_text(interval) == "0.10 [0.00, 0.33] % (n = 1,438)"
    assert cell_text(interval, unit=False, n=False) == "0.10 [0.00, 0.33]"
    assert cell_text({"value": 23.25, "low": 17.4, "high": 28.812}) == "23.2 [17.4, 28.8]"
    assert [cell_text(cell) for cell in (None, 1438, "a|b", {"value": 3})] == ["", "1,438", "a\\|b", "3"]


def test_the_diagram_shows_the_layers_that_are_tested() -> None:
    assert diagram(read_layers()) == (DOCS / "figures" / "architecture.svg").read_text(encoding="utf-8"), "make figures"


def test_links_and_figures_exist() -> None:
    targets = {
        (page.parent / target.split("#")[0]).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^):]+)\)", page.read_text(encoding="utf-8"))
    }
    assert len(targets) > 15
    assert not [target for target in targets if not target.exists()]
    figures = {path for path in (DOCS / "figures").iterdir() if path.suffix in {".png", ".svg"}}
    assert figures
    assert not figures - targets, "figures that no page shows"


def test_modules_named_in_the_reference_exist_and_every_package_is_there() -> None:
    modules = set(re.findall(r"automodule:: (\S+)", "".join(page.read_text(encoding="utf-8") for page in PAGES)))
    for module in modules:
        assert (ROOT / f"{module.replace('.', '/')}.py").exists() or (ROOT / module.replace(".", "/")).is_dir(), module
    rectification = {f"irisstn.rectification.{path.stem}" for path in (ROOT / "irisstn/rectification").glob("*.py")}
    names = ("__init__", "onnx_rectifier", "rectified", "rectifier", "rectifier_config")
    in_index = {f"irisstn.rectification.{name}" for name in names}
    assert len(rectification) > 10 and rectification - modules == in_index  # classes of `irisstn` itself
    packages = {path.parent.name for path in (ROOT / "irisstn").glob("*/__init__.py")}
    documented = {module.split(".")[1] for module in modules if "." in module}
    assert packages - documented == {"cli", "storage", "weights"}  # the command line has a page of its own


def test_the_version_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert irisstn.__version__ == version("irisstn") == project["version"]
    assert f"version: {project['version']}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert project["version"] in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_examples_of_getting_started_run() -> None:
    code = re.findall(r"```python\n(.*?)```", (DOCS / "getting_started.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(code) == 8
    script = "".join(code) + "assert corrected.shape == strips.shape\n"
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_figures_can_be_made(tmp_path: Path) -> None:
    command = [sys.executable, "docs/make_figures.py", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {path.name for path in (DOCS / "figures").glob("*.png")}


def test_the_pages_build_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", str(tmp_path / "trees")]
    done = subprocess.run(
        [*command, "docs", str(tmp_path / "html")], cwd=ROOT, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rectify" in (tmp_path / "html" / "cli.html").read_text(encoding="utf-8")
    assert "measure_quality" in (tmp_path / "html" / "api" / "index.html").read_text(encoding="utf-8")


def test_files_named_on_the_pages_exist() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"`((?:irisstn|tests|configs|docs)/[\w/.]+)`", text))
    assert len(named) > 15
    assert not [name for name in named if not (ROOT / name).exists()]


def test_the_output_format_names_every_field_of_a_record() -> None:
    fields = {*Record.__annotations__, *RecordFields.__annotations__}
    text = (DOCS / "output_format.md").read_text(encoding="utf-8")
    named = {name.partition(".")[0] for name in re.findall(r"`([a-z0-9_.]+)`", text)}
    assert len(fields) > 20
    assert not fields - named
