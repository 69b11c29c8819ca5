"""Render one capture of one eye: the picture and its exact ground truth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Float, pixel_axes
from irisstn.results import Segmentation
from irisstn.synthetic.capture import Capture
from irisstn.synthetic.eye import PlacedEye, eye_corners, place_eye
from irisstn.synthetic.eyewear import draw_contact_lens, draw_glasses
from irisstn.synthetic.identity import Anatomy, Identity
from irisstn.synthetic.noise import smooth_noise
from irisstn.synthetic.ring_field import RingField, ring_field, sample_texture
from irisstn.synthetic.skin import light_field, shade_eyeball, shade_skin, vessels
from irisstn.synthetic.strokes import draw_brow, draw_glints, draw_lashes

Image = NDArray[np.uint8]

# Coverage, of 255, by hair and by reflections, from which on the iris is not usable.
_LASH_COVER, _GLINT_COVER = 70, 24


@dataclass(frozen=True, slots=True, eq=False)
class RenderedEye:
    """A rendered picture with its ground truth.

    Attributes
    ----------
    image : ndarray of uint8, shape (H, W) or (H, W, 3)
        The picture; BGR for a colour camera. Read-only.
    truth : Segmentation
        The exact segmentation.
    roll_rad : float
        Roll of the iris, of head and eyeball together: the texture at the angle t at rest lies at t + `roll_rad`.
    stretch : float
        k in r = s + k s (1 - s), from the radius s of the tissue at rest to its ring radius r, see
        `irisstn.synthetic.ring_field`.
    pupil_ratio : float
        Radius of the pupil as a fraction of that of the iris.
    camera : str
        Name of the camera.
    identity_seed : int
        Seed of the eye.
    capture : Capture
        The parameters of the picture.
    """

    image: Image
    truth: Segmentation
    roll_rad: float
    stretch: float
    pupil_ratio: float
    camera: str
    identity_seed: int
    capture: Capture


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """All that the colour channels have in common, (H, W) float32 unless noted otherwise."""

    field: RingField
    tissue: Float  # (h, w), texture around 0
    mirrored: Float  # (h, w), light that the cornea reflects
    inside_limbus: Float  # (h, w), 0..1
    inside_pupil: Float  # (h, w), 0..1
    open: Float
    skin: Float
    sclera: Float
    vessels: Float
    shade: Float
    hair: Float
    glints: Float
    light: Float


def render(identity: Identity, capture: Capture) -> RenderedEye:
    """Render a picture of an eye.

    Parameters
    ----------
    identity : Identity
        The eye.
    capture : Capture
        The parameters of the picture.

    Returns
    -------
    RenderedEye
        The same bytes for the same arguments.
    """
    rng = np.random.default_rng([capture.seed, identity.seed])
    size = capture.camera.size
    placed = place_eye(identity, capture)
    x, y = pixel_axes(size)
    upper, lower = placed.upper_lid.below(x, y), -placed.lower_lid.below(x, y)
    along, _ = placed.upper_lid.frame_coordinates(x, y)

    hair = np.zeros(size, np.uint8)
    draw_brow(hair, identity, capture)
    draw_lashes(hair, identity, capture, placed)
    glints = np.zeros(size, np.uint8)
    draw_glints(glints, capture, placed)
    scene = _build_scene(rng, identity, capture, placed, distances=(upper, lower, along), layers=(hair, glints))

    anatomy = identity.anatomy
    if capture.camera.colour:
        image = np.stack(
            [_expose(rng, capture, _compose(anatomy, capture, scene, channel)) for channel in range(3)], axis=-1
        )
    else:
        image = _expose(rng, capture, _compose(anatomy, capture, scene, None))
    if capture.jpeg_quality:
        _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, capture.jpeg_quality])
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_UNCHANGED), np.uint8)
    image.flags.writeable = False
    return RenderedEye(
        image=image,
        truth=_truth(capture, placed, (upper, lower), (hair, glints)),
        roll_rad=capture.roll_rad + capture.torsion_rad,
        stretch=placed.stretch,
        pupil_ratio=capture.pupil_ratio,
        camera=capture.camera.name,
        identity_seed=identity.seed,
        capture=capture,
    )


def _build_scene(
    rng: np.random.Generator,
    identity: Identity,
    capture: Capture,
    placed: PlacedEye,
    *,
    distances: tuple[Float, Float, Float],
    layers: tuple[Image, Image],
) -> _Scene:
    upper, lower, along = distances
    hair, glints = layers
    size = capture.camera.size
    radius = capture.iris_radius_px
    field = ring_field(placed, size)
    ring_px = placed.limbus.mean_radius - placed.pupil.mean_radius
    tissue = sample_texture(identity, capture, placed, field)
    soft = max(identity.anatomy.limbus_softness * radius, 1.0)
    limbus = np.clip((1 - field.radius) * np.float32(ring_px / (2 * soft)) + 0.5, 0, 1)
    limbus = limbus * limbus * (3 - 2 * limbus)
    pupil = np.clip(0.5 - field.radius * np.float32(ring_px / 1.5), 0, 1)
    corners = eye_corners(placed)
    sclera, shade = shade_eyeball(
        rng, capture, upper=upper, lower=lower, along=along, nasal_corner=corners[identity.anatomy.nasal_side > 0]
    )
    if capture.contact_lens:
        draw_contact_lens(rng, sclera, capture)
    red = vessels(identity, capture, size)
    hair_cover = cv2.GaussianBlur(hair, (3, 3), 0.55).astype(np.float32) * np.float32(1 / 255)
    if capture.glasses:
        draw_glasses(rng, hair_cover, glints, capture)
    return _Scene(
        field=field,
        tissue=tissue,
        mirrored=_mirror(rng, capture, field),
        inside_limbus=limbus,
        inside_pupil=pupil,
        open=np.clip(np.minimum(upper, lower) * np.float32(0.7) + 0.5, 0, 1),
        skin=shade_skin(rng, identity, capture, above=-upper, below=-lower, along=along, corners=corners),
        sclera=sclera,
        vessels=red,
        shade=shade,
        hair=hair_cover,
        glints=cv2.GaussianBlur(glints, (3, 3), 0.6).astype(np.float32) * np.float32(1 / 255),
        light=light_field(capture, size),
    )


def _mirror(rng: np.random.Generator, capture: Capture, field: RingField) -> Float:
    """Reflections of the surroundings in the cornea: faint smooth shapes."""
    size = field.radius.shape[0], field.radius.shape[1]
    large = smooth_noise(rng, size, max(0.3 * capture.iris_radius_px, 4.0))
    small = smooth_noise(rng, size, max(0.12 * capture.iris_radius_px, 3.0))
    return np.asarray(np.abs(large + 0.7 * small) * np.float32(capture.mirrored))


def _compose(anatomy: Anatomy, capture: Capture, scene: _Scene, channel: int | None) -> Float:
    """The light (H, W) of one colour channel, 0..1, before the sensor; `channel` None is near infrared."""
    if channel is None:
        skin, sclera, outer, inner, blood = 1.0, anatomy.sclera_gain, 1.0, 1.0, 0.1
        skin *= anatomy.skin_gain
        iris_gain = anatomy.iris_gain
    else:
        skin, sclera = anatomy.skin_colour[channel], (0.86, 0.93, 1.0)[channel]
        outer, inner = anatomy.iris_colour[channel], anatomy.inner_colour[channel]
        blood, iris_gain = (0.5, 0.45, 0.12)[channel], 1.0
    white = sclera * capture.sclera_level
    if channel is None:
        white = max(white, 1.13 * iris_gain * capture.iris_level)  # in near infrared no iris outshines the sclera
    eyeball = scene.sclera * np.float32(white)
    eyeball *= 1 - np.float32(blood) * scene.vessels
    here = scene.field.rows, scene.field.columns
    # With the exponential the deepest crypts stay brighter than black.
    iris = np.exp(np.float32(capture.contrast * anatomy.texture_gain) * scene.tissue)
    iris *= np.float32(outer * iris_gain * capture.iris_level)
    if channel is not None:
        toward_pupil = np.clip(1.2 - 2.2 * scene.field.tissue, 0, 1)
        iris *= 1 + np.float32(inner / outer - 1) * toward_pupil
    around = eyeball[here]
    around += (iris - around) * scene.inside_limbus
    around += (np.float32(capture.pupil_level) - around) * scene.inside_pupil
    around += scene.mirrored * scene.inside_limbus
    eyeball *= scene.shade
    picture = scene.skin * np.float32(skin * capture.skin_level)
    picture += (eyeball - picture) * scene.open
    picture *= scene.light
    picture += (np.float32(capture.lash_level) - picture) * scene.hair
    return np.asarray(np.maximum(picture, 1.5 * scene.glints))


def _expose(rng: np.random.Generator, capture: Capture, light: Float) -> Image:
    """The 8-bit picture (H, W) of the light (H, W), after motion blur, defocus and sensor noise."""
    light = np.minimum(light, 1.35)
    if capture.motion_px >= 1:
        light = np.asarray(cv2.filter2D(light, -1, _motion_kernel(capture.motion_px, capture.motion_rad)), np.float32)
    if capture.blur_px > 0.25:
        light = np.asarray(cv2.GaussianBlur(light, (0, 0), capture.blur_px), np.float32)
    noise = rng.standard_normal(light.shape, np.float32)
    light = light + noise * np.float32(capture.noise)
    return np.asarray(cv2.convertScaleAbs(np.maximum(light, 0), alpha=255.0), np.uint8)


def _motion_kernel(length: float, angle_rad: float) -> Float:
    half = int(np.ceil(length / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    for step in np.linspace(-length / 2, length / 2, 4 * half + 3):
        kernel[round(half + step * np.sin(angle_rad)), round(half + step * np.cos(angle_rad))] += 1
    return np.asarray(kernel / kernel.sum())


def _truth(
    capture: Capture, placed: PlacedEye, distances: tuple[Float, Float], layers: tuple[Image, Image]
) -> Segmentation:
    size = capture.camera.size
    disc = placed.limbus.mask(size)
    iris = disc & ~placed.pupil.mask(size) & (distances[0] >= 0) & (distances[1] >= 0)
    hair, glints = layers
    bloom = 2 * round(1 + 1.2 * capture.blur_px) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (bloom, bloom))
    bright = cv2.dilate(glints, kernel) > _GLINT_COVER
    usable = iris & (hair < _LASH_COVER) & ~bright
    return Segmentation(
        pupil=placed.pupil,
        limbus=placed.limbus,
        upper_lid=placed.upper_lid,
        lower_lid=placed.lower_lid,
        iris_mask=iris,
        usable=usable,
    )
