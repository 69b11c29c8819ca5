"""The roll that is read off the eyelids, its standard deviation, and how much of it is corrected."""

import math

import numpy as np
import pytest
import torch

from irisstn.geometry import Boundary, Eyelid
from irisstn.rectification.rectifier import Rectifier
from irisstn.rectification.ring_context import NO_EYELIDS, eyelid_parabolas
from irisstn.rectification.roll import RollReader
from irisstn.rectification.roll_setting import RollSetting, corrected_roll
from irisstn.training.roll_reader import EyelidSamples, error_over_sd, fit_roll_reader, spread_within_eyes

LIMBUS = Boundary.circle(160, 120, 90)


def eyelids(
    *, tilt_rad: float = 0.0, glance: float = 0.0, roll_rad: float = 0.0, only: int | None = None
) -> torch.Tensor:
    """An eye's eyelids tilted by `tilt_rad`, in a strip that begins at `roll_rad`; `glance` in iris radii aside."""
    x, y = 160 - 90 * glance * math.cos(tilt_rad), 120 - 90 * glance * math.sin(tilt_rad)
    pair = [Eyelid(x, y, tilt_rad, (side * 75.0, 0.0, -side * 0.0022)) for side in (-1, 1)]
    known = [eyelid if only in (None, which) else None for which, eyelid in enumerate(pair)]
    return torch.from_numpy(eyelid_parabolas(LIMBUS, (known[0], known[1]), roll_rad=roll_rad))[None]


def upright(eyelid: Eyelid) -> Eyelid:
    """`eyelid` fitted anew as a parabola in the picture's own frame, as the segmentation does it."""
    x, y = (eyelid.points(np.linspace(-120, 120, 200)) - (160, 120)).T
    near = np.abs(x) < 108
    c2, c1, c0 = np.polyfit(x[near], y[near], 2)
    return Eyelid(160, 120, 0.0, (c0, c1, c2))


def reader() -> RollReader:
    made = RollReader()
    with torch.no_grad():
        made.gain.fill_(1.0)
    return made


def angle(given: torch.Tensor) -> float:
    return float(reader()(given).angle_rad.detach())


def test_untrained_it_reads_no_roll():
    assert float(RollReader()(eyelids(tilt_rad=0.2)).angle_rad.detach()) == 0


@pytest.mark.parametrize("tilt_deg", [-25, -15, -3, 0, 1, 15, 25])
def test_it_finds_all_of_a_turn(tilt_deg):
    tilt = math.radians(tilt_deg)
    assert angle(eyelids(tilt_rad=tilt)) == pytest.approx(tilt, abs=1e-3)
    assert angle(eyelids(tilt_rad=tilt, roll_rad=0.1)) == pytest.approx(tilt - 0.1, abs=1e-3)


def test_it_finds_nearly_all_of_it_in_eyelids_that_were_fitted_upright():
    tilt = math.radians(15)
    pair = [upright(Eyelid(160, 120, tilt, (side * 75.0, 0.0, -side * 0.0022))) for side in (-1, 1)]
    slopes = [eyelid.coefficients[1] for eyelid in pair]
    found = angle(torch.from_numpy(eyelid_parabolas(LIMBUS, (pair[0], pair[1])))[None])
    assert math.atan(sum(slopes) / 2) < 0.8 * tilt, "straight above and below the centre eyelids are tilted less"
    assert found == pytest.approx(tilt, rel=0.1)


def test_a_sideways_gaze_is_no_roll():
    assert abs(angle(eyelids(glance=0.15))) < 0.005
    assert abs(angle(eyelids(glance=0.15, only=0))) > 0.05, "one eyelid alone does not cancel it"


def test_one_eyelid_alone_gives_the_roll_with_a_larger_deviation():
    read = reader()
    with torch.no_grad():
        read.spread[3] = 0.5
        for which in (0, 1):
            alone = read(eyelids(tilt_rad=0.1, only=which))
            assert float(alone.angle_rad) == pytest.approx(0.1, abs=1e-3)
            assert float(alone.sd_rad) > 1.5 * float(read(eyelids(tilt_rad=0.1)).sd_rad)


def test_without_eyelids_the_roll_is_not_known_and_not_corrected():
    nothing = torch.from_numpy(NO_EYELIDS.copy())[None]
    with torch.no_grad():
        reading = reader()(nothing)
        assert float(reading.angle_rad) == 0 and not bool(reading.known) and torch.isfinite(reading.sd_rad).all()
        for mode in ("auto", "full", "none"):
            assert float(reader().correction(nothing, RollSetting(mode))) == 0


def test_the_correction_grows_with_the_reading_its_certainty_and_the_prior():
    def mean(deg: float, sd_deg: float = 1.4, prior_deg: float = 1.0) -> float:
        roll, sd = (np.full((1, 1), math.radians(value)) for value in (deg, sd_deg))
        return math.degrees(corrected_roll(np, roll, sd, np.array([0.08]), RollSetting("auto", prior_deg))[0, 0])

    rolls = [mean(float(deg)) for deg in np.arange(0, 31, 0.5)]
    assert rolls[0] == 0 and (np.diff(rolls) > 0).all()
    assert mean(-7) == pytest.approx(-mean(7))
    assert mean(2) == pytest.approx(2 / (1 + 1.4**2), rel=0.02), "among upright heads a small roll is shrunk"
    assert mean(28) > 0.9 * 28, "a head on its side is turned back"
    assert mean(2, sd_deg=3) < mean(2) < mean(2, sd_deg=0.5)
    assert mean(2, prior_deg=0) < 0.1 < mean(2) < mean(2, prior_deg=3) < 2


def test_settings_say_how_much():
    read, given = reader(), eyelids(tilt_rad=0.05)
    corrected = {mode: float(read.correction(given, RollSetting(mode)).detach()) for mode in ("auto", "full", "none")}
    assert 0 == corrected["none"] < corrected["auto"] < 0.5 * corrected["full"] and corrected["full"] == pytest.approx(
        0.05, abs=1e-3
    )
    for wrong in ({"mode": "some"}, {"prior_deg": -1.0}, {"prior_deg": float("nan")}):
        with pytest.raises(ValueError):
            RollSetting(**wrong)


@pytest.mark.parametrize("mode", ["auto", "full", "none"])
def test_the_reading_of_one_eye_by_numpy_is_that_of_the_network(mode):
    read, setting = reader(), RollSetting(mode)
    for given in (eyelids(tilt_rad=0.1, glance=0.1), eyelids(tilt_rad=-0.3), eyelids(tilt_rad=0.2, only=1)):
        with torch.no_grad():
            expected = read(given)
            figures = (float(expected.angle_rad), float(expected.sd_rad), float(read.correction(given, setting)))
        assert read.read_eye(given[0].numpy(), setting) == pytest.approx(figures, abs=1e-6)
    assert read.read_eye(NO_EYELIDS, setting) is None


def test_gradients_reach_its_weights_and_half_precision_is_read_in_full():
    read, given = reader(), eyelids(tilt_rad=0.1, glance=0.1).requires_grad_()
    read.correction(given, RollSetting()).sum().backward()
    for parameter in (read.gain, read.upper):
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0
    assert given.grad is not None and torch.isfinite(given.grad).all() and given.grad.abs().sum() > 0
    assert read(given.detach().half()).angle_rad.dtype == torch.float32
    empty = torch.zeros(1, 2, 5, requires_grad=True)
    read.correction(empty, RollSetting()).sum().backward()
    assert empty.grad is not None and torch.isfinite(empty.grad).all()


def test_the_fit_finds_the_spread_that_was_put_in():
    rng = np.random.default_rng(0)
    given, rolls, eyes = [], [], []
    for eye in range(60):
        own = rng.normal(0, 0.08)
        for _ in range(6):
            roll = rng.normal(0, 0.05)
            given.append(eyelids(tilt_rad=own + roll + rng.normal(0, 0.03))[0])
            rolls.append(roll)
            eyes.append(str(eye))
    samples = EyelidSamples(torch.stack(given), torch.tensor(rolls), np.array(eyes))
    fitted = fit_roll_reader(samples)
    assert spread_within_eyes(fitted, samples) == pytest.approx(0.03, rel=0.15)
    assert error_over_sd(fitted, samples) == pytest.approx(1, abs=0.15)
    assert float(fitted.between.detach()) == pytest.approx(0.08, rel=0.3)
    assert not fitted.spread.requires_grad


def test_the_shipped_reader_is_sure_to_a_degree_or_two_and_shrinks_small_rolls():
    read = Rectifier.load().roll_reader
    assert read is not None
    with torch.no_grad():
        reading = read(eyelids(tilt_rad=0.05))
        small, large = (float(read.correction(eyelids(tilt_rad=tilt), RollSetting())) for tilt in (0.05, 0.5))
    assert 0.8 < math.degrees(float(reading.sd_rad)) < 2.5
    assert 0.1 < small / 0.05 < 0.4 and large > 0.45
