"""Iris codes, the recognition CNN, and the losses that train it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from irisstn.errors import WeightsError
from irisstn.recognition import IrisCode, StripNet, StripNetConfig, distance, distances, encode
from irisstn.recognition.config import MetricLossConfig
from irisstn.recognition.local_texture import standardize
from irisstn.recognition.losses import Decorrelation, metric_loss
from irisstn.results import Strip

SMALL = StripNetConfig(widths=(8, 8, 8, 8), channels=4)


def strip(seed, size=(32, 256), usable=None):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (size[0] // 2, size[1] // 4))
    image = np.kron(coarse, np.ones((2, 4))).astype(np.uint8)
    return Strip(image, np.ones(size, bool) if usable is None else usable)


def turned(one, columns):
    return Strip(np.roll(one.image, columns, axis=1), np.roll(one.usable, columns, axis=1))


def test_distances_are_small_for_one_iris_and_one_half_for_others():
    codes = [encode(strip(seed)) for seed in range(8)]
    matrix = distances(codes)
    assert matrix.shape == (8, 8)
    others = matrix[~np.eye(8, dtype=bool)]
    assert np.abs(others - 0.5).max() < 0.15
    # The normalised distance of identical codes with many compared bits is below 0.
    assert np.diag(matrix).max() < 0.05


@settings(max_examples=25, deadline=None)
@given(st.integers(-16, 16), st.integers(0, 1000))
def test_a_turn_is_found_by_the_shift_search(columns, seed):
    one = strip(seed)
    a, b = encode(one), encode(turned(one, columns))
    assert distance(a, b, max_shift=16) < 0.06
    assert distance(b, a, max_shift=16) == pytest.approx(distance(a, b, max_shift=16), abs=1e-6)


def test_the_two_matrix_forms_agree():
    codes = [encode(turned(strip(seed % 3), 3 * seed)) for seed in range(6)]
    among = distances(codes, max_shift=5)
    between = distances(codes, codes, max_shift=5)
    assert np.allclose(among, between, atol=1e-6)
    assert np.allclose(among, among.T, atol=1e-6)
    assert distance(codes[1], codes[4], max_shift=5) == pytest.approx(float(among[1, 4]), abs=1e-6)


def test_masked_parts_do_not_count():
    usable = np.ones((32, 256), bool)
    usable[:, 64:160] = False
    one = strip(1)
    spoilt = np.array(one.image)
    spoilt[:, 72:152] = 255 - spoilt[:, 72:152]
    masked, whole = encode(Strip(spoilt, usable)), encode(Strip(spoilt, np.ones_like(usable)))
    assert distance(encode(one), masked) < 0.12 < distance(encode(one), whole)
    assert not masked.mask[:, :, 64:160].any()


def test_without_a_common_usable_cell_the_distance_is_largest():
    left, right = np.zeros((32, 256), bool), np.zeros((32, 256), bool)
    left[:, :100] = right[:, 128:228] = True
    assert distance(encode(strip(1, usable=left)), encode(strip(1, usable=right))) == 2.0


@pytest.mark.parametrize("size", [(64, 512), (32, 256), (48, 360)])
def test_a_code_has_one_shape_for_any_strip(size):
    rng = np.random.default_rng(0)
    code = encode(Strip(rng.integers(0, 255, size, dtype=np.uint8), np.ones(size, bool)))
    assert code.bits.shape == (2, 2, 8, 256) and code.mask.shape == (2, 8, 256)
    assert not code.bits.flags.writeable
    assert 0.9 < code.mask.mean() < 0.97  # the weakest twentieth is left out
    assert 0.3 < code.bits.mean() < 0.7


def test_misuse_of_codes():
    code = encode(strip(0))
    with pytest.raises(ValueError, match="max_shift"):
        distances([code], max_shift=-1)
    with pytest.raises(ValueError, match="mask"):
        IrisCode(code.bits, code.bits)
    assert distances([]).shape == (0, 0)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    net = StripNet(SMALL)
    with torch.no_grad():  # batch norms with running statistics
        net.train()(torch.rand(16, 1, 32, 256), torch.ones(16, 1, 32, 256))
    return net.eval()


def test_embeddings_have_length_one(network):
    embeddings = network(torch.rand(3, 1, 32, 256), torch.ones(3, 1, 32, 256))
    assert embeddings.shape == (3, network.embedding_size) == (3, 2 * 32 * 4)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(3), atol=1e-5)


def test_the_default_network_is_as_large_as_documented():
    assert 256 <= StripNet().embedding_size <= 512
    assert 0.4e6 < sum(p.numel() for p in StripNet().parameters()) < 1.5e6
    assert StripNet(StripNetConfig(embedding=256)).embedding_size == 256


def test_embeddings_are_invariant_to_slowly_varying_light_and_contrast(network):
    images, usable = torch.rand(2, 1, 32, 256), torch.ones(2, 1, 32, 256)
    assert torch.allclose(network(images, usable), network(0.5 * images + 0.2, usable), atol=1e-2)
    shade = 0.3 * torch.sin(torch.linspace(0, 2 * torch.pi, 256)).expand(1, 1, 32, 256)
    alike = (network(images, usable) * network(images + shade, usable)).sum(1)
    assert alike.min() > 0.98


def test_strips_of_any_size_are_brought_to_the_networks_own(network):
    images, usable = torch.rand(2, 1, 32, 256), torch.ones(2, 1, 32, 256)
    usable[:, :, 8:, 30:90] = 0
    larger = [plane.repeat_interleave(2, 2).repeat_interleave(2, 3) for plane in (images, usable)]
    assert torch.allclose(network(images, usable), network(*larger), atol=1e-5)
    with pytest.raises(ValueError, match="window"):
        StripNetConfig(window=(4, 33))


def test_embed_takes_strips_one_by_one(network):
    strips = [strip(seed) for seed in range(3)]
    several = network.embed(strips)
    assert several.shape == (3, network.embedding_size) and several.dtype == np.float32
    assert np.array_equal(several[1], network.embed(strips[1]))
    assert network.embed([]).shape == (0, network.embedding_size)


@pytest.mark.parametrize("config", [SMALL, SMALL.model_copy(update={"trunks": 2, "whitened": 64})])
def test_folded_batch_norms_give_the_same_embeddings(config):
    torch.manual_seed(0)
    network = StripNet(config)
    strips = [strip(seed) for seed in (1, 2)]
    batch = [
        torch.from_numpy(np.stack([getattr(one, name) for one in strips])[:, None]) for name in ("image", "usable")
    ]
    images, usable = batch[0] / 255, batch[1].float()
    for _ in range(3):  # other means and variances than those of a new network
        network(images, usable)
    folded = network.folded()  # of a network in training, too
    with torch.no_grad():
        expected = network.eval()(images, usable).numpy()
    assert np.abs(folded.embed(strips) - expected).max() < 1e-5
    assert np.array_equal(folded.embed(strips), network.embed(strips))
    assert folded.weights_sha256 == network.weights_sha256
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.data *= 1.1  # which torch does not count as a change
    assert np.abs(network.embed(strips) - expected).max() > 1e-3


def test_masked_cells_do_not_change_embeddings(network):
    images, usable = torch.rand(2, 1, 32, 256), torch.ones(2, 1, 32, 256)
    usable[:, :, 8:, 30:90] = 0
    changed = torch.where(usable > 0, images, torch.rand_like(images))
    assert torch.allclose(network(images, usable), network(changed, usable), atol=1e-6)
    assert not torch.allclose(network(images, usable), network(changed, torch.ones_like(usable)), atol=1e-2)


def test_features_are_equivariant_to_rotation_across_the_seam(network):
    # A rotation by one sector moves the features by one sector, across the seam as well.
    images, usable = torch.rand(1, 1, 32, 256), torch.ones(1, 1, 32, 256)
    features, again = (
        network.trunks[0].features(standardize(turned, usable, network.config.window))
        for turned in (images, images.roll(16, 3))
    )
    step = 16 * features.shape[3] // 256
    assert step >= 1
    assert torch.allclose(again, features.roll(step, 3), atol=1e-5)


def test_a_strip_without_a_usable_cell_gives_numbers_and_gradients(network):
    images = torch.rand(2, 1, 32, 256, requires_grad=True)
    usable = torch.zeros(2, 1, 32, 256, requires_grad=True)
    embeddings = network(images, usable)
    embeddings.sum().backward()
    assert torch.isfinite(embeddings).all()
    assert images.grad is not None and torch.isfinite(images.grad).all()
    assert usable.grad is not None and torch.isfinite(usable.grad).all()


def test_gradients_reach_every_weight():
    net = StripNet(SMALL)
    embeddings = net(torch.rand(6, 1, 32, 256), torch.ones(6, 1, 32, 256))
    (embeddings[:3] * embeddings[3:]).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_saved_networks_come_back_the_same(network, tmp_path):
    network.save(tmp_path / "recognizer.safetensors")
    images, usable = torch.rand(2, 1, 32, 256), torch.ones(2, 1, 32, 256)
    for path in (tmp_path, tmp_path / "recognizer.safetensors"):
        loaded = StripNet.load(path)
        assert loaded.config == SMALL
        assert torch.equal(loaded(images, usable), network(images, usable))
    (tmp_path / "recognizer.safetensors").write_bytes(b"no weights")
    with pytest.raises(WeightsError):
        StripNet.load(tmp_path)
    with pytest.raises(WeightsError):
        StripNet.load(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("shape", [(32, 256), (1, 32, 256), (2, 3, 32, 256)])
def test_other_shapes_are_misuse(network, shape):
    with pytest.raises(ValueError, match="must be"):
        network(torch.rand(shape), torch.ones(shape))


@pytest.mark.parametrize("kind", ["multi-similarity", "supervised-contrastive", "sub-center-arcface"])
def test_losses_are_smaller_for_embeddings_that_separate_identities(kind):
    torch.manual_seed(0)
    labels = torch.arange(4).repeat_interleave(4)
    loss = metric_loss(MetricLossConfig(kind=kind), identities=4, embedding=8)
    centres = torch.nn.functional.normalize(torch.randn(4, 8), dim=1)
    if kind == "sub-center-arcface":  # its centres are learnt: put them where the identities are
        with torch.no_grad():
            next(loss.parameters()).copy_(centres.repeat_interleave(3, 0).T)
    apart = torch.nn.functional.normalize(centres[labels] + 0.05 * torch.randn(16, 8), dim=1)
    mixed = apart[torch.randperm(16)]
    assert loss(apart, labels).item() < loss(mixed, labels).item()


def test_the_decorrelation_loss_falls_as_embeddings_spread_over_more_directions():
    torch.manual_seed(0)
    apart = torch.randn(4000, 8)
    alike = apart[:, :1] + 0.1 * torch.randn(4000, 8)
    assert Decorrelation(8)(apart).item() < 0.05
    assert Decorrelation(8)(alike).item() > 6  # of 7: each float is all but the same as the seven others
    # Small batches: the running covariance sees what none of them shows, and its gradient mends it.
    loss, weight = Decorrelation(8, memory=0.9), torch.eye(8) + 1.0
    weight.requires_grad_()
    optimizer = torch.optim.SGD([weight], lr=0.02)
    values = []
    for _ in range(400):
        value = loss(torch.randn(6, 8) @ weight)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert np.mean(values[-50:]) < 0.6 * np.mean(values[20:40])
    still = loss.covariance.clone()
    loss.eval()(torch.randn(6, 8))
    assert torch.equal(loss.covariance, still)


@pytest.mark.parametrize("window", [(1, 1), (3, 5), (9, 17), (17, 33), (31, 255)])
def test_texture_is_standardized_over_windows_of_any_odd_size(window):
    torch.manual_seed(0)
    images, usable = torch.rand(1, 1, 32, 256), (torch.rand(1, 1, 32, 256) > 0.3).float()
    found = standardize(images, usable, window)[0, 0].numpy()
    up, side = window[0] // 2, window[1] // 2
    for row, column in ((0, 0), (5, 250), (16, 128), (31, 3)):
        rows = slice(max(row - up, 0), row + up + 1)
        columns = [c % 256 for c in range(column - side, column + side + 1)]
        seen = usable[0, 0, rows][:, columns].numpy() > 0
        mean = images[0, 0, rows][:, columns].numpy()[seen].mean() if seen.any() else 0
        above = (float(images[0, 0, row, column]) - mean) * float(usable[0, 0, row, column])
        assert (found[row, column] > 1e-6) == (above > 1e-6) and (found[row, column] < -1e-6) == (above < -1e-6)
    assert (found[usable[0, 0].numpy() == 0] == 0).all()
