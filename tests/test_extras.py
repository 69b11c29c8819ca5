"""What works without the extras, and the one line that names a missing one."""

import pickle
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from irisstn import extras
from irisstn.cli import cli
from irisstn.errors import MissingExtraError, WeightsError
from irisstn.extras import EXTRAS, extra_named, require_extra

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULES = sorted({name for modules in EXTRAS.values() for name in modules})
# An entry of None in sys.modules makes Python treat a module as not installed.
WITHOUT_EXTRAS = f"import sys\nsys.modules |= dict.fromkeys({MODULES})\n"


PACKAGES = {"faiss": "faiss-cpu", "sklearn": "scikit-learn"}  # where a module has another name


def requirements(extra: str) -> set[str]:
    """The names of the packages of an extra, also of those that it includes."""
    names = set()
    for text in PROJECT["optional-dependencies"][extra]:
        included = re.match(r"irisstn\[([a-z,]+)\]", text)
        if included is not None:
            names |= {name for other in included[1].split(",") for name in requirements(other)}
        else:
            names.add(re.split(r"[\[<>=]", text)[0])
    return names


@pytest.fixture
def without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str) -> ModuleSpec | None:
        return None if name in MODULES else find_spec(name)

    monkeypatch.setattr(extras, "find_spec", found)


def test_the_modules_of_an_extra_are_those_of_its_packages() -> None:
    assert len(EXTRAS) > 4
    for extra, modules in EXTRAS.items():
        packages = {PACKAGES.get(name, name.replace("_", "-")) for name in modules}
        assert packages == requirements(extra), extra
    assert not {"torch", "lightning", "onnxruntime"} & {re.split("[<>=]", text)[0] for text in PROJECT["dependencies"]}


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["rectify", "EYES", "-o", "OUT"], "onnx"),
        (["embed", "EYES", "-o", "OUT"], "onnx"),
        (["rectify", "EYES", "-o", "OUT", "--runtime", "torch"], "torch"),
        (["train", "EYES", "-o", "OUT"], "train"),
        (["export", "-o", "OUT"], "export"),
        (["evaluate", "EYES", "-o", "OUT"], "report"),
        (["segment", "EYES", "-o", "OUT", "--engine", "ray"], "ray"),
    ],
)
@pytest.mark.usefixtures("without_extras")
def test_a_command_without_its_extra_ends_with_one_line(tmp_path: Path, words: list[str], extra: str) -> None:
    eyes = str(ROOT / "data" / "sample" / "001")
    given = [word.replace("EYES", eyes).replace("OUT", str(tmp_path / "out")) for word in words]
    done = CliRunner().invoke(cli, given)
    assert done.exit_code == 2, done.output
    assert done.output.startswith("Error: ") and done.output.count("\n") == 1
    assert f" needs {EXTRAS[extra][0]}" in done.output
    assert done.output.endswith(f'pip install "irisstn[{extra}]"\n')
    assert not list(tmp_path.iterdir())


def test_photographs_become_strips_without_any_extra(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    code = f"""
import irisstn
from irisstn.cli import cli
image = irisstn.read_gray("data/sample/001/L/001L01.png")
segmentation = irisstn.segment(image)
print(irisstn.normalize(image, segmentation).size, irisstn.measure_quality(image, segmentation).sharpness > 0)
for words in (["segment", "data/sample/001/L", "-o", {out!r}], ["match", {out!r}, "-o", {out!r}], ["settings"]):
    try:
        cli(words, standalone_mode=False)
    except SystemExit as ended:
        assert ended.code == 0, words
try:
    irisstn.Rectifier
except ImportError as error:
    print(error)
try:
    import irisstn.stn
except irisstn.MissingExtraError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS + code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(64, 512) True\n")
    assert len(list((tmp_path / "out" / "strips").rglob("*.png"))) == 2
    assert "irisstn train\n" in done.stdout
    assert done.stdout.splitlines()[-2:] == ['install: torch is not installed: pip install "irisstn[torch]"'] * 2


def test_a_package_that_is_not_of_an_extra_is_not_blamed_on_one() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module") as caught, extra_named():
        import_module("no_such_module")
    assert not isinstance(caught.value, MissingExtraError)


@pytest.mark.usefixtures("without_extras")
def test_all_missing_packages_are_named() -> None:
    with pytest.raises(MissingExtraError, match="training needs torch, safetensors, lightning, ") as caught:
        require_extra("train", "training")
    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize("error", [WeightsError("missing", stage="load"), MissingExtraError("torch is missing")])
def test_an_error_of_a_worker_process_reads_the_same(error: WeightsError | MissingExtraError) -> None:
    received = pickle.loads(pickle.dumps(error))
    assert (str(received), received.stage, received.reason) == (str(error), error.stage, error.reason)
