"""The smallest training run: a few seconds, for benchmarks and tests of what a run does besides learning."""

TRAINING = {
    "epochs": 3,
    "rectifier_only_epochs": 1,
    "steps_per_epoch": 2,
    "identities_per_batch": 4,
    "strips_per_identity": 2,
    "threads": 1,
    "recognizer": {"widths": [8, 8, 8, 8], "channels": 4},
    "rectifier": {"width": 8},
    "rendered": {
        "identities": 6,
        "captures": 2,
        "first_epoch_identities": 4,
        "added_per_epoch": 2,
        "identities_per_file": 4,
        "validation_identities": 4,
        "cameras": ["small-320x240"],
    },
}
