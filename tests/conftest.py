"""Rendered eyes for tests that need pictures, made once for each process; and the marker of slow tests."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from slow_tests import SLOW

from irisstn.normalization import normalize
from irisstn.results import Strip
from irisstn.synthetic import CAMERAS, Identity, RenderedEye, render, sample_capture
from irisstn.synthetic.folder import write_eyes

# On a busy machine the time that generating and running an example takes means nothing.
settings.register_profile("irisstn", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("irisstn")

if "PYTEST_XDIST_WORKER" in os.environ:  # one process for each core: more threads would only wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files of slow tests alone where none is wanted, because what they import takes seconds."""
    whole = SLOW.get(collection_path.name) == set()
    return True if whole and config.option.markexpr == "not slow" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of `slow_tests`."""
    for item in items:
        names = SLOW.get(item.path.name)
        if names is not None and (not names or item.name.partition("[")[0] in names):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four eyes, three pictures each, in the layout of `irisstn synth`. Not to be written to."""
    return write_eyes(tmp_path_factory.mktemp("rendered"), subjects=2, captures=3, seed=5)


@pytest.fixture(scope="session")
def eye() -> RenderedEye:
    """A rendered eye of 320x280 pixels with its true segmentation."""
    return render(Identity.from_seed(3), sample_capture(np.random.default_rng(1), CAMERAS["ring-320x280"]))


@pytest.fixture(scope="session")
def strip(eye: RenderedEye) -> Strip:
    """The 64x512 strip of `eye`."""
    return normalize(eye.image, eye.truth)


@pytest.fixture(scope="session")
def rendered_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where training runs keep the eyes that they render, for `rendered.cache`; all processes share it."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "rendered-eyes"
