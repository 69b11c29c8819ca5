"""Rendered eyes with exact ground truth: texture, anatomy, camera, shot, picture.

    identity = Identity.from_seed(7)
    shot = sample_shot(np.random.default_rng(1), CAMERAS["ring-320x280"])
    eye = render(identity, shot)        # eye.image, eye.truth, eye.roll_rad, eye.stretch

Every eye is generated from its seed; no picture of a real person is used.
"""

from irisstn.synthetic.camera import CAMERAS, Camera
from irisstn.synthetic.folder import write_eyes
from irisstn.synthetic.identity import Anatomy, Identity
from irisstn.synthetic.render import RenderedEye, render
from irisstn.synthetic.shot import Shot, sample_shot

__all__ = ["CAMERAS", "Anatomy", "Camera", "Identity", "RenderedEye", "Shot", "render", "sample_shot", "write_eyes"]
