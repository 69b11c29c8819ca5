"""Rendered eyes for tests that need pictures, made once for each process; and the marker of slow tests."""

import os
from pathlib import Path

import pytest
from slow_tests import SLOW

from irisstn.synthetic.folder import write_eyes

if "PYTEST_XDIST_WORKER" in os.environ:  # one process for each core: more threads would only wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")


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
