# mypy: disable-error-code="arg-type, assignment, operator, union-attr"
"""Rendered eyes: equal bytes for equal seeds, ground truth that fits the picture, a texture that identifies the eye."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from builders import make_capture, rendered_eye
from hypothesis import given, settings
from hypothesis import strategies as st

from irisstn.geometry import TAU, strip_angles, strip_radii
from irisstn.normalization import normalize, sample_ring
from irisstn.synthetic import CAMERAS, Capture, Identity, render, sample_capture, write_eyes
from irisstn.synthetic.eye import place_eye
from irisstn.synthetic.ring_field import ring_field, ring_to_tissue, tissue_to_ring

NAMES = sorted(CAMERAS)


@pytest.fixture(scope="module")
def identities() -> list[Identity]:
    return [Identity.from_seed(seed) for seed in range(8)]


def plain_capture(seed: int = 0, camera: str = "ring-320x280") -> Capture:
    """A capture with nothing in front of the iris: wide open, sharp, even light."""
    return make_capture(
        seed,
        camera,
        upper_lid=1.6,
        lower_lid=1.5,
        lash_droop=-2.0,
        tear_glints=0,
        glint_x=0.0,
        glint_y=0.0,
        blur_px=0.5,
        motion_px=0.0,
        noise=0.005,
        jpeg_quality=0,
        lid_shadow=0.0,
        tissue_warp=0.0,
        relief=0.0,
        mirrored=0.0,
        light_x=0.0,
        light_y=0.0,
        glasses=False,
        contact_lens=False,
    )


def upright(eye) -> tuple[np.ndarray, np.ndarray]:
    """The strip with roll and stretch undone, its slow shading taken off, and its mask."""
    radius = tissue_to_ring(strip_radii(32)[4:-4, None], eye.stretch)
    angle = strip_angles(256)[None, :] + eye.roll_rad
    strip = sample_ring(eye.image, eye.truth, (radius, angle))
    image = strip.image.astype(np.float32)
    return image - cv2.blur(image, (41, 41), borderType=cv2.BORDER_REFLECT), strip.usable


def correlation(first, second) -> float:
    both = first[1] & second[1]
    assert both.mean() > 0.5
    return float(np.corrcoef(first[0][both], second[0][both])[0, 1])


def test_same_seeds_same_bytes(identities):
    for name in NAMES:
        first, second = (rendered_eye(3, 5, name) for _ in range(2))
        assert np.array_equal(first.image, second.image)
        assert np.array_equal(first.truth.usable, second.truth.usable)
        assert first.truth.pupil == second.truth.pupil
    textures = [identity.texture for identity in identities]
    assert not any(np.array_equal(textures[0], other) for other in textures[1:])


@pytest.mark.parametrize("name", NAMES)
def test_every_camera_keeps_its_ranges(name, identities):
    camera = CAMERAS[name]
    rng = np.random.default_rng(11)
    for identity in identities[:3]:
        eye = render(identity, sample_capture(rng, camera))
        assert eye.image.shape == ((*camera.size, 3) if camera.colour else camera.size)
        assert eye.image.dtype == np.uint8
        assert not eye.image.flags.writeable
        assert eye.truth.image_size == camera.size
        low, high = camera.iris_radius
        assert 0.8 * low <= eye.truth.limbus.mean_radius <= 1.02 * high
        assert camera.pupil_ratio[0] <= eye.pupil_ratio <= camera.pupil_ratio[1]
        assert eye.truth.pupil.mean_radius / eye.truth.limbus.mean_radius == pytest.approx(eye.pupil_ratio, abs=0.01)
        assert abs(eye.roll_rad) <= np.deg2rad(camera.roll_limit_deg + 2.4)
        assert eye.truth.iris_mask.sum() > 0.05 * np.pi * low**2


def test_there_are_cameras_of_many_sizes():
    assert len(CAMERAS) >= 8
    assert {camera.size for camera in CAMERAS.values()} >= {(240, 320), (280, 320), (480, 640), (768, 1024)}
    assert any(camera.colour for camera in CAMERAS.values())
    assert min(camera.iris_radius[0] for camera in CAMERAS.values()) <= 40
    assert max(camera.iris_radius[1] for camera in CAMERAS.values()) >= 200


@pytest.mark.parametrize("name", NAMES)
def test_truth_fits_the_picture(name, identities):
    """On either side of the true boundaries the pupil is darker than the iris, and the iris than its surroundings."""
    for seed, identity in enumerate(identities[:4]):
        eye = render(identity, plain_capture(seed, name))
        gray = eye.image if eye.image.ndim == 2 else eye.image[..., 2]
        pupil, limbus = eye.truth.pupil, eye.truth.limbus
        angle = TAU * np.arange(180) / 180

        def around(boundary, step, gray=gray, angle=angle):
            points = boundary.points(angle) + step * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
            x, y = np.rint(points).astype(int).T
            inside = (x >= 0) & (y >= 0) & (x < gray.shape[1]) & (y < gray.shape[0])
            return float(np.median(gray[y[inside], x[inside]]))

        assert around(pupil, -3) + 3 < around(pupil, 3)
        assert around(limbus, -0.08 * limbus.mean_radius) < around(limbus, 0.08 * limbus.mean_radius)


@pytest.mark.parametrize("name", NAMES)
def test_masks_agree_with_boundaries_and_eyelids(name, identities):
    rng = np.random.default_rng(2)
    for identity in identities[:4]:
        truth = render(identity, sample_capture(rng, CAMERAS[name])).truth
        expected = truth.limbus.mask(truth.image_size) & ~truth.pupil.mask(truth.image_size)
        expected &= ~truth.upper_lid.above(truth.image_size) & truth.lower_lid.above(truth.image_size)
        # A pixel on the edge may count to either side.
        assert (expected ^ truth.iris_mask).sum() <= 0.002 * expected.sum()
        assert not (truth.usable & ~truth.iris_mask).any()
        assert truth.usable.sum() > 0.3 * truth.iris_mask.sum()


def test_eyelids_are_given_whether_or_not_they_touch_the_iris(identities):
    truth = render(identities[0], plain_capture()).truth
    assert truth.upper_lid is not None and truth.lower_lid is not None
    iris = truth.limbus.mask(truth.image_size)
    assert not (truth.upper_lid.above(truth.image_size) & iris).any()
    assert truth.lower_lid.above(truth.image_size)[iris].all()
    low = render(identities[0], replace(plain_capture(), upper_lid=0.5, lower_lid=0.7)).truth
    assert low.upper_lid is not None
    assert low.lower_lid is not None
    assert low.iris_mask.sum() < 0.9 * truth.iris_mask.sum()


def test_eyelashes_and_reflections_are_not_usable(identities):
    capture = replace(plain_capture(), upper_lid=0.6, lash_droop=0.6, glint_x=0.6, glint_y=0.0)
    eye = render(identities[2], capture)
    lost = eye.truth.iris_mask & ~eye.truth.usable
    assert lost.sum() > 100
    bright = (eye.image > 250) & eye.truth.iris_mask
    assert bright.sum() > 50
    assert not (bright & eye.truth.usable).any()


def test_head_roll_rotates_eyelids_and_iris_together(identities):
    flat, turned = (replace(plain_capture(), upper_lid=0.5, roll_rad=roll, torsion_rad=0.0) for roll in (0.0, 0.3))
    first, second = render(identities[1], flat), render(identities[1], turned)
    assert second.roll_rad - first.roll_rad == pytest.approx(0.3)
    assert second.truth.upper_lid.angle_rad - first.truth.upper_lid.angle_rad == pytest.approx(0.3)
    assert correlation(upright(first), upright(second)) > 0.8


def test_the_texture_stays_through_roll_dilation_and_gaze(identities):
    """Strips of one eye correlate when roll and stretch are undone; those of different eyes do not."""
    strips = []
    for identity in identities:
        for number, (ratio, roll, gaze) in enumerate([(0.3, -0.12, 0.0), (0.5, 0.15, 0.15)]):
            capture = replace(
                plain_capture(number),
                pupil_ratio=ratio,
                roll_rad=roll,
                gaze_x_rad=gaze,
                iris_radius_px=105.0 - 10 * number,
            )
            strips.append(upright(render(identity, capture)))
    same = [correlation(strips[n], strips[n + 1]) for n in range(0, len(strips), 2)]
    other = [
        correlation(strips[n], strips[m])
        for n in range(0, len(strips), 2)
        for m in range(1, len(strips), 2)
        if m != n + 1
    ]
    assert min(same) > 0.6
    assert np.median(same) > 0.8
    assert max(np.abs(other)) < 0.35
    assert abs(np.mean(other)) < 0.1


def test_typical_captures_of_one_eye_correlate_more_than_different_eyes(identities):
    """With the uneven tissue, relief, reflections, eyelids and noise of the camera."""
    strips = []
    for number, identity in enumerate(identities):
        for k in range(2):
            capture = sample_capture(np.random.default_rng([number, k]), CAMERAS["vga-640x480"])
            strips.append(upright(render(identity, replace(capture, upper_lid=1.1, motion_px=0.0, glasses=False))))
    same = [correlation(strips[n], strips[n + 1]) for n in range(0, len(strips), 2)]
    other = [correlation(strips[n], strips[(n + 3) % len(strips)]) for n in range(0, len(strips), 2)]
    assert np.median(same) > 0.45
    assert np.median(np.abs(other)) < 0.15
    assert np.median(same) > max(other)


def test_roll_and_stretch_matter(identities):
    eye = render(identities[4], replace(plain_capture(), roll_rad=0.1, torsion_rad=0.0, pupil_ratio=0.5))
    rest = render(identities[4], replace(plain_capture(), roll_rad=0.0, torsion_rad=0.0, pupil_ratio=0.3))
    undone = correlation(upright(eye), upright(rest))
    raw = correlation(upright(replace(eye, roll_rad=0.0, stretch=0.0)), upright(rest))
    assert undone > raw + 0.3


def test_ring_field_inverts_the_rubber_sheet(identities):
    """The rubber sheet maps the ring coordinates of each pixel to the pixel, also in off-axis eyes."""
    for seed in range(4):
        capture = sample_capture(np.random.default_rng(seed), CAMERAS["gaze-640x480"])
        placed = place_eye(identities[seed], capture)
        field = ring_field(placed, capture.camera.size)
        y, x = np.mgrid[field.rows, field.columns]
        again = (1 - field.radius[..., None]) * placed.pupil.points(field.angle_rad) + field.radius[
            ..., None
        ] * placed.limbus.points(field.angle_rad)
        error = np.hypot(again[..., 0] - x, again[..., 1] - y)
        ring = (field.radius > 0) & (field.radius < 1)
        assert ring.sum() > 1000
        assert error[ring].max() < 0.3


@given(st.floats(-0.4, 0.4))
def test_stretch_and_its_inverse(stretch):
    tissue = np.linspace(0, 1, 50, dtype=np.float32)
    ring = tissue_to_ring(tissue, stretch)
    assert (np.diff(ring) > 0).all()
    assert np.abs(ring_to_tissue(ring, stretch) - tissue).max() < 1e-3


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31 - 1), st.sampled_from([name for name in NAMES if not name.startswith("hd")]))
def test_any_capture_renders(seed, name):
    rng = np.random.default_rng(seed)
    eye = render(Identity.from_seed(seed % 5), sample_capture(rng, CAMERAS[name]))
    assert np.isfinite([eye.roll_rad, eye.stretch, eye.pupil_ratio]).all()
    assert 2 < eye.image.std() < 127
    if eye.image.ndim == 2:
        strip = normalize(eye.image, eye.truth, (16, 128))
        assert strip.usable.any()


def test_misuse_is_refused(tmp_path):
    with pytest.raises(ValueError, match="seed"):
        Identity.from_seed(-1)
    for change in ({"pupil_ratio": 0.95}, {"glints": "star"}, {"iris_radius_px": 1.0}, {"gaze_x_rad": 1.5}):
        with pytest.raises(ValueError):
            replace(plain_capture(), **change)
    for change in ({"subjects": 0}, {"captures": 0}, {"workers": 0}, {"cameras": ["nothing"]}, {"cameras": []}):
        with pytest.raises(ValueError):
            write_eyes(tmp_path, **{"subjects": 1, "captures": 1, "seed": 0, **change})


def folder_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_write_eyes(tmp_path):
    counts: list[int] = []
    cameras = ["small-320x240", "mobile-visible-640x480"]
    eyes = write_eyes(tmp_path / "one", subjects=2, captures=2, seed=4, cameras=cameras, progress=counts.append)
    assert eyes == tmp_path / "one" / "eyes"
    assert sum(counts) == 8
    write_eyes(tmp_path / "two", subjects=2, captures=2, seed=4, cameras=cameras, workers=2)
    first, second = folder_bytes(tmp_path / "one"), folder_bytes(tmp_path / "two")
    assert first == second
    assert len(first) == 8 * 3 + 3  # with the records, the settings and the lock
    assert folder_bytes(write_eyes(tmp_path / "three", subjects=1, captures=1, seed=5, cameras=cameras)) != first

    records = [json.loads(line) for line in (tmp_path / "one/truth/truth.jsonl").read_text().splitlines()]
    assert [record["path"] for record in records] == sorted(record["path"] for record in records)
    assert {record["path"] for record in records} == {
        f"00{subject}/{eye}/00{subject}{eye}0{capture}.png" for subject in (1, 2) for eye in "LR" for capture in (1, 2)
    }
    assert len({record["identity_seed"] for record in records}) == 4
    for record in records:
        image = cv2.imread(str(eyes / record["path"]), cv2.IMREAD_UNCHANGED)
        assert image.shape[:2] == (record["height"], record["width"])
        mask, iris_mask = (cv2.imread(str(tmp_path / "one/truth" / record[k]), 0) for k in ("mask", "iris_mask"))
        assert set(np.unique(mask)) == {0, 255}
        assert not ((mask > 0) & (iris_mask == 0)).any()
        assert record["pupil"]["a"] < record["iris"]["b"]
        assert set(record["eyelids"]) == {"upper", "lower"}
