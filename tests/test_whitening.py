"""The whitening behind the recognition network: what it does to embeddings, and where it is kept."""

import json

import numpy as np
import pytest
import recognizer_whitening
import torch
from click.testing import CliRunner
from pydantic import ValidationError
from training_settings import TOY, toy

from irisstn.errors import WeightsError
from irisstn.evaluation import evaluate_embeddings
from irisstn.recognition import Calibration, StripNet, StripNetConfig
from irisstn.recognition.config import WhiteningConfig, WhiteningFitConfig
from irisstn.recognition.network import join
from irisstn.recognition.whitening import effective_dimensions, whitening_of
from irisstn.training import train
from irisstn.training.data.batches import Eyes
from irisstn.training.data.rendered_eyes import RenderedConfig, RenderedEyes
from irisstn.training.whitening import StripSettings, fit_whitening
from irisstn.weights import RECOGNIZER, SHIPPED
from irisstn.weights_file import pack_weights

SMALL = StripNetConfig(widths=(8, 8, 8, 8), channels=4, sectors=4)
SIZE = SMALL.rings * SMALL.sectors * SMALL.channels


def uneven(count, seed=0, size=SIZE):
    """Embeddings in which few directions have most of the variance, about a mean that is not 0."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(np.random.default_rng(99).normal(size=(size, size)))[0]
    return rng.normal(size=(count, size)) * np.geomspace(1, 0.02, size) @ basis + 0.3


def test_the_exponent_sets_how_equal_the_variances_become():
    embeddings = uneven(2000)
    dimensions = []
    for exponent in (0.0, 0.25, 0.5):
        mean, matrix = whitening_of(embeddings, WhiteningConfig(exponent=exponent, ridge=0.0))
        assert np.allclose(matrix, matrix.T)
        whitened = (embeddings - mean) @ matrix
        assert np.allclose(whitened.mean(0), 0, atol=1e-9)
        dimensions.append(effective_dimensions(whitened))
        if exponent == 0:
            assert np.allclose(matrix, np.eye(SIZE))
    covariance = np.cov(whitened.T)
    assert np.allclose(covariance, covariance[0, 0] * np.eye(SIZE), atol=1e-6 * covariance[0, 0])
    assert dimensions[0] < 0.6 * dimensions[1] and dimensions[1] < 0.8 * dimensions[2]
    assert dimensions[2] == pytest.approx(SIZE)
    # The ridge keeps small random directions small.
    kept = whitening_of(embeddings, WhiteningConfig(exponent=0.5, ridge=0.5))
    assert effective_dimensions((embeddings - kept[0]) @ kept[1]) < 0.8 * SIZE


def test_effective_dimensions_count_directions():
    rng = np.random.default_rng(1)
    assert effective_dimensions(np.outer(rng.normal(size=50), np.ones(7))) == pytest.approx(1)
    assert effective_dimensions(rng.normal(size=(20_000, 7))) == pytest.approx(7, rel=0.01)
    assert effective_dimensions(np.ones((5, 3))) == 0


def test_eyes_of_another_camera_are_distinguished_better():
    # Eyes differ equally in all directions; captures of one eye differ mostly in a few.
    rng = np.random.default_rng(2)
    eyes = np.repeat(0.15 * rng.normal(size=(60, SIZE)), 3, axis=0)
    basis = np.linalg.qr(rng.normal(size=(SIZE, SIZE)))[0]
    captures = eyes + rng.normal(size=eyes.shape) * np.geomspace(1, 0.02, SIZE) @ basis
    names = [str(i // 3) for i in range(len(captures))]
    before = evaluate_embeddings(captures, names, resamples=0).eer.value
    mean, matrix = whitening_of(captures[:90], WhiteningConfig(exponent=0.3))
    after = evaluate_embeddings((captures[90:] - mean) @ matrix, names[90:], resamples=0).eer.value
    assert after < 0.7 * before


@pytest.mark.parametrize("bad", [np.zeros((1, SIZE)), np.zeros((5, SIZE)), np.zeros(SIZE), np.full((5, SIZE), np.nan)])
def test_embeddings_that_cannot_be_whitened_are_misuse(bad):
    with pytest.raises(ValueError, match="embeddings"):
        StripNet(SMALL).whitening.fit(bad)
    with pytest.raises(ValueError, match=f"{SIZE} floats"):
        StripNet(SMALL).whitening.fit(uneven(9, size=SIZE + 1))


def test_a_network_whitens_once_it_is_fitted_and_keeps_that_in_its_file(tmp_path):
    torch.manual_seed(0)
    network = StripNet(SMALL).eval()
    images, usable = torch.rand(40, 1, 32, 256), torch.ones(40, 1, 32, 256)
    with torch.no_grad():
        plain = network.unwhitened(images, usable)
        assert torch.allclose(network(images, usable), plain, atol=1e-6)
        network.whitening.fit(plain.numpy(), WhiteningConfig(exponent=0.5))
        whitened = network(images, usable)
        assert torch.equal(network.unwhitened(images, usable), plain)
        assert torch.allclose(whitened.norm(dim=1), torch.ones(40), atol=1e-5)
        assert effective_dimensions(whitened.numpy()) > 1.2 * effective_dimensions(plain.numpy())
        network.save(tmp_path / "recognizer.safetensors")
        assert torch.equal(StripNet.load(tmp_path)(images, usable), whitened)
        network.whitening.reset()
        assert torch.allclose(network(images, usable), plain, atol=1e-6)


def test_files_without_whitening_are_refused_with_the_reason(tmp_path, monkeypatch):
    state = {name: tensor for name, tensor in StripNet(SMALL).state_dict().items() if "whitening" not in name}

    older = torch.nn.Module()
    monkeypatch.setattr(older, "state_dict", lambda: state)
    (tmp_path / "recognizer.safetensors").write_bytes(
        pack_weights(older, "recognizer-2", SMALL.model_dump(mode="json"))
    )
    with pytest.raises(WeightsError, match=r"'recognizer-2', not 'recognizer-3': another version of irisstn wrote it"):
        StripNet.load(tmp_path)


def test_the_shipped_network_is_whitened():
    whitening = StripNet.load().whitening
    assert not torch.allclose(whitening.matrix, torch.eye(*whitening.matrix.shape), atol=0.1)
    assert whitening.mean.abs().max() > 1e-3
    assert (SHIPPED / RECOGNIZER).stat().st_size < 4e6


def test_the_whitening_of_a_run_is_fitted_to_its_eyes(tmp_path, rendered_cache):
    config = toy(rendered_cache, epochs=1, rectifier=None, rectifier_only_epochs=0)
    run = train(None, tmp_path / "run", config)
    figures = json.loads((run / "whitening.json").read_text())
    assert figures["strips"] >= 8 and figures["dimensions_after"] > 1.03 * figures["dimensions_before"] > 1.03
    whitened, plain = StripNet.load(run), StripNet.load(train(None, tmp_path / "plain", without_whitening(config)))
    assert not (tmp_path / "plain" / "whitening.json").exists()
    assert torch.equal(plain.whitening.matrix, torch.eye(plain.embedding_size))
    assert not torch.allclose(whitened.whitening.matrix, plain.whitening.matrix, atol=0.1)
    assert all(torch.equal(a, b) for a, b in zip(whitened.parameters(), plain.parameters(), strict=True))


def without_whitening(config):
    return config.model_copy(update={"whitening": None})


def test_the_same_eyes_give_the_same_whitening_and_every_identity_has_its_share(tmp_path):
    eyes = RenderedConfig(
        identities=4,
        captures=3,
        first_epoch_identities=4,
        validation_identities=2,
        identities_per_file=2,
        cameras=("small-320x240",),
    )
    with RenderedEyes(eyes, 0, tmp_path) as rendered:
        part = Eyes(*rendered.training(0), upright=True)
    torch.manual_seed(0)
    network = StripNet(SMALL).eval()
    fitted = []
    for strips in (4, 12, 12):
        settings = StripSettings((32, 256), TOY.perturbation)
        figures = fit_whitening(network, None, part, settings, WhiteningFitConfig(strips=strips))
        assert figures["strips"] == strips
        fitted.append(network.whitening.matrix.clone())
        # Four strips of four eyes differ in three directions; so would not four strips of two eyes.
        assert 1 < figures["dimensions_before"] <= strips - 1
    assert torch.equal(fitted[1], fitted[2]) and not torch.allclose(fitted[0], fitted[1], atol=1e-3)


def test_joined_networks_keep_their_trunks_and_the_floats_that_matter():
    torch.manual_seed(0)
    one, two = StripNet(SMALL).eval(), StripNet(SMALL).eval()
    images, usable = torch.rand(50, 1, 32, 256), torch.ones(50, 1, 32, 256)
    both = join([one, two], whitened=20)
    with torch.no_grad():
        halves = both.unwhitened(images, usable).reshape(50, 2, SIZE) * 2**0.5
        assert torch.allclose(halves[:, 0], one.unwhitened(images, usable), atol=1e-6)
        assert torch.allclose(halves[:, 1], two.unwhitened(images, usable), atol=1e-6)
        both.whitening.fit(both.unwhitened(images, usable).numpy())
        embeddings = both(images, usable)
    assert embeddings.shape == (50, both.embedding_size) == (50, 20)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(50), atol=1e-5)
    # The floats kept are those of most variance: together they have nearly all of it.
    mean, matrix = whitening_of(uneven(500), WhiteningConfig(exponent=0), kept=8)
    kept = ((uneven(500) - mean) @ matrix).var(0).sum()
    assert matrix.shape == (SIZE, 8) and 0.6 < kept / uneven(500).var(0).sum() < 1
    with pytest.raises(ValueError, match="one shape"):
        join([one, StripNet(SMALL.model_copy(update={"channels": 8}))])
    for wrong in ({"whitened": SIZE + 1}, {"trunks": 2, "embedding": 5, "whitened": 6}):
        with pytest.raises(ValidationError, match="cannot keep"):
            StripNetConfig.model_validate(SMALL.model_dump() | wrong)
    with pytest.raises(ValueError, match="can be kept"):
        whitening_of(uneven(9), kept=SIZE + 1)


def test_the_recipe_joins_whitens_and_calibrates(tmp_path):
    out = tmp_path / "out"
    command = ["-o", str(out), "--identities", "2", "--floats", "9"]
    command += ["--model", str(SHIPPED), "--model", str(SHIPPED / RECOGNIZER)]
    settings = ("cameras=[small-320x240]", "segmented_fraction=0", "captures=9", "validation_identities=8")
    command += [part for setting in settings for part in ("--set", f"rendered.{setting}")]
    done = CliRunner().invoke(recognizer_whitening.main, command)
    assert done.exit_code == 0, done.output
    assert '"strips": 18.0' in done.output and "threshold at FMR 1e-3" in done.output
    network = StripNet.load(out)
    assert network.config.trunks == 2 * StripNet.load().config.trunks and network.embedding_size == 9
    assert Calibration.load(out, recognizer_sha256=network.weights_sha256).tail < 0.02
    assert len(list((out / "eyes").glob("*.npz"))) >= 2


def test_a_run_calibrates_its_network_where_it_has_eyes_enough(tmp_path, rendered_cache):
    rendered = {"identities": 4, "first_epoch_identities": 4, "validation_identities": 8, "captures": 9}
    small = TOY.rendered.model_copy(update=rendered | {"segmented_fraction": 0.0})
    run = train(None, tmp_path / "run", TOY.model_copy(update={"epochs": 1, "rectifier": None, "rendered": small}))
    calibration = Calibration.load(run, recognizer_sha256=StripNet.load(run).weights_sha256)
    assert 0 < calibration.tail < 0.02 and calibration.slope > 0
    few = toy(rendered_cache, epochs=1, rectifier=None)
    assert not (train(None, tmp_path / "few", few) / "recognizer.json").exists()
