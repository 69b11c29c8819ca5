"""Rendered eyes for tests that need pictures."""

from pathlib import Path

import pytest

from irisstn.synthetic.folder import write_eyes


@pytest.fixture(scope="session")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four eyes, three pictures each, in the layout of `irisstn synth`. Not to be written to."""
    return write_eyes(tmp_path_factory.mktemp("rendered"), subjects=2, shots=3, seed=5)
