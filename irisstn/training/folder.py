"""Eyes from a folder."""

from pathlib import Path

from irisstn.training.config import TrainConfig
from irisstn.training.data import Eyes


def read_eyes(data: Path, config: TrainConfig, *, labels: Path | None, tell: object) -> tuple[Eyes, Eyes]:
    """Not yet."""
    raise ValueError("not yet")
