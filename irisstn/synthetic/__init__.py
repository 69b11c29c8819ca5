"""Rendered eyes with exact ground truth: texture, anatomy, camera, capture, picture.

    identity = Identity.from_seed(7)
    capture = sample_capture(np.random.default_rng(1), CAMERAS["ring-320x280"])
    eye = render(identity, capture)  # eye.image, eye.truth, eye.roll_rad, eye.stretch

Every eye is generated from its seed; no picture of a real person is used.
"""

from irisstn.synthetic.camera import CAMERAS, Camera
from irisstn.synthetic.capture import Capture, sample_capture
from irisstn.synthetic.folder import write_eyes
from irisstn.synthetic.identity import Anatomy, Identity
from irisstn.synthetic.render import RenderedEye, render
from irisstn.synthetic.set_of_eyes import read_truth

sample_shot = sample_capture  # its former name, which programs outside this repository call

__all__ = [
    "CAMERAS",
    "Anatomy",
    "Camera",
    "Capture",
    "Identity",
    "RenderedEye",
    "read_truth",
    "render",
    "sample_capture",
    "sample_shot",
    "write_eyes",
]
