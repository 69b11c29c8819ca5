"""Settings that several tests of training share: no augmentation, and a run of a few seconds."""

from pathlib import Path

from irisstn.training import TrainConfig
from irisstn.training.data.augmentation_config import AugmentationConfig

NO_AUGMENTATION = AugmentationConfig(
    blur=0, noise=0, brightness_contrast=0, unmasked_spots=0, masked_gaps=0, uneven_light=0, surroundings_hidden=0
)
TOY = TrainConfig.model_validate(
    {
        "epochs": 3,
        "rectifier_only_epochs": 1,
        "steps_per_epoch": 2,
        "identities_per_batch": 4,
        "strips_per_identity": 2,
        "threads": 1,
        "recognizer": {"widths": [8, 8, 8, 8], "channels": 4},
        "rectifier": {"width": 8},
        "rendered": {
            "identities": 6, "captures": 2, "first_epoch_identities": 4, "added_per_epoch": 2,
            "identities_per_file": 4, "validation_identities": 4, "cameras": ["small-320x240"],
        },
    }
)  # fmt: skip


def toy(cache: Path, **changes: object) -> TrainConfig:
    """`TOY` with some settings changed, whose eyes are rendered once into `cache`."""
    return TOY.model_copy(update={"rendered": TOY.rendered.model_copy(update={"cache": cache}), **changes})
