"""Settings that several tests of training share: no augmentation, and a run of a few seconds."""

from pathlib import Path

from toy_training import TRAINING

from irisstn.training import TrainConfig
from irisstn.training.data.augmentation_config import AugmentationConfig

NO_AUGMENTATION = AugmentationConfig(
    blur=0, noise=0, brightness_contrast=0, unmasked_spots=0, masked_gaps=0, uneven_light=0, surroundings_hidden=0
)
TOY = TrainConfig.model_validate(TRAINING)


def toy(cache: Path, **changes: object) -> TrainConfig:
    """`TOY` with some settings changed, whose eyes are rendered once into `cache`."""
    return TOY.model_copy(update={"rendered": TOY.rendered.model_copy(update={"cache": cache}), **changes})
