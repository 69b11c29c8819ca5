# mypy: disable-error-code="index, union-attr, operator, dict-item"
"""A wider network from two trained ones, and the student that learns from several teachers."""

import pytest
import recognizer_distillation
import torch
from click.testing import CliRunner

from irisstn.recognition import StripNet, StripNetConfig, widen

NARROW = StripNetConfig(widths=(4, 6, 6, 8), channels=4, sectors=4, window=(9, 17))
WIDE = NARROW.model_copy(update={"widths": (6, 9, 6, 12), "channels": 4})


def trained(seed: int) -> StripNet:
    """A network of other weights and running statistics than an initial one."""
    torch.manual_seed(seed)
    network = StripNet(NARROW).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(4, 1, 32, 256), torch.ones(4, 1, 32, 256))
    return network.eval()


def test_a_wider_network_holds_the_first_and_the_most_used_channels_of_the_second():
    first, second = trained(1), trained(2)
    with torch.no_grad():
        reading = second.trunks[0].features[1][0].conv.weight  # of the second layer: it reads the first one's channels
        reading[:, [1, 3]] *= 10
    wide = widen(first, second, WIDE)
    held = wide.trunks[0].features[0][0].conv.weight
    assert torch.equal(held[:4], first.trunks[0].features[0][0].conv.weight)
    assert torch.equal(held[4:], second.trunks[0].features[0][0].conv.weight[[1, 3]])
    # Without what crosses from the second part, the first layers' features are those of the first network.
    image = torch.rand(1, 1, 32, 256)
    with torch.no_grad():
        for layer in (0, 1):
            own = wide.trunks[0].features[layer][0].conv.weight
            own[: NARROW.widths[layer], (0 if layer == 0 else NARROW.widths[0]) + (layer == 0) :] = 0
        parts = [network.trunks[0].features[:2] for network in (wide.eval(), first)]
        found, expected = (part(image) for part in parts)
    assert torch.allclose(found[:, : NARROW.widths[1]], expected, atol=1e-6) and expected.abs().max() > 0


@pytest.mark.parametrize("widths", [(3, 6, 6, 8), (9, 6, 6, 8)])
def test_widths_out_of_reach_are_refused(widths):
    with pytest.raises(ValueError, match="to twice these"):
        widen(trained(1), trained(2), NARROW.model_copy(update={"widths": widths}))
    with pytest.raises(ValueError, match="one trunk"):
        widen(trained(1), StripNet(WIDE), WIDE)


def test_a_student_is_trained_and_a_killed_command_goes_on(tmp_path):
    teachers = []
    for seed in (1, 2):
        trained(seed).save(tmp_path / f"{seed}.safetensors")
        teachers.append(str(tmp_path / f"{seed}.safetensors"))
    config = {"widths": list(WIDE.widths), "channels": 4, "sectors": 4, "window": [9, 17], "whitened": 8}
    settings = [f"recognizer.{name}={value}" for name, value in config.items()]
    settings += ["rectifier=null", "size=[64, 512]", "steps_per_epoch=3", "identities_per_batch=3"]
    settings += ["strips_per_identity=8", "learning_rate=0.002"]
    rendered = {"identities": 3, "first_epoch_identities": 3, "captures": 2, "segmented_fraction": 0}
    rendered |= {"validation_identities": 2, "cameras": "[small-320x240]", "cache": str(tmp_path / "cache")}
    settings += [f"rendered.{name}={value}" for name, value in rendered.items()]

    def run(out: str, epochs: int) -> StripNet:
        command = ["-o", str(tmp_path / out), "--files", "2", "--identities", "2"]
        for teacher in teachers:
            command += ["--teacher", teacher, "--begin", teacher]
        for setting in [*settings, f"epochs={epochs}"]:
            command += ["--set", setting]
        done = CliRunner().invoke(recognizer_distillation.main, command)
        assert done.exit_code == 0, done.output
        assert f"step {3 * epochs} of {3 * epochs}" in done.output
        return StripNet.load(tmp_path / out)

    once = run("a", 1)
    assert once.embedding_size == 8 and once.config.trunks == 1 and once.whitening.mean.abs().max() > 0
    assert len(list((tmp_path / "a" / "views").glob("*.npz"))) == 2
    assert once.weights_sha256 == run("b", 1).weights_sha256  # the same batches, not the same file
    (tmp_path / "b" / "recognizer.safetensors").unlink()
    longer = run("b", 2)  # from the checkpoint
    assert longer.weights_sha256 != once.weights_sha256
    embeddings = longer(torch.rand(2, 1, 32, 256), torch.ones(2, 1, 32, 256))
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(2), atol=1e-5)
