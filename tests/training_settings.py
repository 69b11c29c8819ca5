"""Settings that several tests of the training share: no errors, no augmentation, and a run of seconds."""

import numpy as np

from irisstn.training import TrainConfig
from irisstn.training.data.augmentation import AugmentationConfig
from irisstn.training.data.boundary_errors import Perturbation

NO_ERRORS = Perturbation(0.0, np.zeros((2, 2)), np.zeros(2), np.zeros((2, 2)))
QUIET = AugmentationConfig(blur=0, noise=0, light=0, marks=0, gaps=0, shades=0, blind=0)
TOY = TrainConfig.model_validate(
    {
        "epochs": 3,
        "alone": 1,
        "steps": 2,
        "identities": 4,
        "strips": 2,
        "threads": 1,
        "recognizer": {"widths": [8, 8, 8, 8], "channels": 4},
        "rectifier": {"width": 8},
        "rendered": {
            "identities": 6, "shots": 2, "at_first": 4, "per_epoch": 2, "chunk": 4, "validation": 4,
            "cameras": ["small-320x240"],
        },
    }
)  # fmt: skip
