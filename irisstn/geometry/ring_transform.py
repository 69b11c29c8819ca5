"""The formulas of the ring transform, for numpy arrays and torch tensors alike.

`irisstn.stn.Ring` describes the parameters and applies these formulas to tensors, with gradients;
`irisstn.OnnxRectifier` applies them to arrays. `xp` is the module of the arrays: numpy, or torch, which is not imported
here. In both, the order of the operations is the same.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

NAMES = (
    "roll_rad",
    *(f"{boundary}_{term}" for boundary in ("pupil", "limbus") for term in ("0", "cos1", "sin1", "cos2", "sin2")),
    "pupil_share",
)
PUPIL_SHARE = 0.45, 0.25  # centre and bound: from 0.2, a pupil in bright light, to 0.7, one in the dark
NEAR_ONE = 0.999  # fraction of its bound to which a parameter is limited: atanh(1) is infinite
_NODES = 32  # angles at which boundaries are composed
_EPSILON = 1e-12  # keeps the square root of a zero amplitude differentiable
_MIN_RADIUS = 0.05  # of a boundary, in ring widths


def ring_identity() -> tuple[float, ...]:
    """Parameters (12,) of the identity."""
    return (*[0.0] * 11, PUPIL_SHARE[0])


def ring_limits(*, max_roll_rad: float, max_shift: float, max_oval: float) -> tuple[float, ...]:
    """Bounds (12,) of the distance of the parameters from the identity; see `irisstn.stn.Ring` for the arguments."""
    boundary = (max_shift, max_shift, max_shift, max_oval, max_oval)
    return (max_roll_rad, *boundary, *boundary, PUPIL_SHARE[1])


def boundaries_are_moved(parameters: Any) -> Any:
    """Whether `parameters` (..., 12) move a boundary, (...): otherwise all cells of a column keep one angle."""
    return (parameters[..., 1:11] != 0).any(-1)


def ring_parameters_by_name(parameters: Any) -> dict[str, float]:
    """The parameters of an ndarray (12,) by name; the roll is between -pi and pi."""
    named = dict(zip(NAMES, parameters.tolist(), strict=True))
    return named | {"roll_rad": (named["roll_rad"] + math.pi) % (2 * math.pi) - math.pi}


def move_in_ring(xp: ModuleType, parameters: Any, radius: Any, angle: Any) -> tuple[Any, Any]:
    """Ring coordinates in the input of those in the output.

    Parameters
    ----------
    xp : module
        numpy or torch.
    parameters : ndarray or Tensor, shape (B, 12)
        Parameters in the order of `NAMES`.
    radius, angle : ndarray or Tensor, each broadcast to (B, ...)
        Ring coordinates in the output.

    Returns
    -------
    radius, angle_rad : ndarray or Tensor, shape (B, ...)
        Ring coordinates in the input; the angle is not reduced to one turn.
    """
    columns = [parameters[:, i].reshape(-1, *[1] * (angle.ndim - 1)) for i in range(len(NAMES))]
    roll, pupil, limbus, pupil_share = columns[0], columns[1:6], columns[6:11], columns[11]
    turned = angle + roll
    pupil_radius = pupil_share / (1 - pupil_share)  # in ring widths
    low, low_angle = _boundary(xp, pupil, pupil_radius, turned)
    beyond, high_angle = _boundary(xp, limbus, pupil_radius + 1, turned)
    high = 1 + beyond
    # The radius is the fraction of the way from the pupil's point to the limbus's, along the straight line between two
    # points at the distances `near` and `far` from the centre, whose angles differ by `apart`: a linear interpolation
    # plus a correction that is exactly 0 for points at the same angle.
    near, far = xp.clip(pupil_radius + low, _MIN_RADIUS, None), xp.clip(pupil_radius + high, _MIN_RADIUS, None)
    apart = high_angle - low_angle
    ahead = xp.clip(radius, 0, None)  # continued through the centre of the pupil, the line would reverse its angle
    length = (1 - ahead) * near + ahead * far
    sagitta = 4 * ahead * (1 - ahead) * near * far * xp.square(xp.sin(apart / 2))
    shorter = sagitta / (length + xp.sqrt(xp.clip(xp.square(length) - sagitta, _EPSILON, None)))
    turn = xp.atan2(ahead * far * xp.sin(apart), (1 - ahead) * near + ahead * far * xp.cos(apart))
    return low + (high - low) * radius - shorter, low_angle + turn


def compose_rings(xp: ModuleType, outer: Any, inner: Any) -> Any:
    """Parameters of outer(inner(point)), not limited to their bounds.

    Exact where `inner` is only a roll; otherwise the boundaries are fitted up to order 2. `pupil_share` is that of the
    input, so of `outer`.

    Parameters
    ----------
    xp : module
        numpy or torch.
    outer, inner : ndarray or Tensor, shape (B, 12)
        Parameters in the order of `NAMES`.

    Returns
    -------
    ndarray or Tensor, shape (B, 12)
        Parameters.
    """
    roll = inner[:, :1] + outer[:, :1]
    nodes = _nodes(xp, inner)
    start = nodes - roll
    reached = []
    for level in (0.0, 1.0):
        middle = move_in_ring(xp, inner, xp.full_like(start, level), start)
        reached.append(move_in_ring(xp, outer, *middle))
    (low, low_angle), (high, high_angle) = reached
    total_roll = roll + (high_angle - nodes).mean(1)[:, None]
    boundaries = [_series(xp, low, low_angle), _series(xp, high - 1, high_angle)]
    return xp.concatenate([total_roll, *boundaries, outer[:, -1:]], 1)


def amplitudes(xp: ModuleType, offset: Any) -> Any:
    """Absolute value (B, 12) of each offset from the identity, or the amplitude of the (cos, sin) pair it belongs to.

    Parameters
    ----------
    xp : module
        numpy or torch.
    offset : ndarray or Tensor, shape (B, 12)
        Differences of parameters.

    Returns
    -------
    ndarray or Tensor, shape (B, 12)
        Amplitudes, above 0.
    """
    # A bound, not a sum: the ONNX exporter drops the addition of so small a number.
    square = xp.clip(xp.square(offset), _EPSILON, None)
    pairs = square[:, [2, 4, 7, 9]] + square[:, [3, 5, 8, 10]]
    pupil, limbus = pairs[:, [0, 0, 1, 1]], pairs[:, [2, 2, 3, 3]]
    return xp.sqrt(xp.concatenate([square[:, :2], pupil, square[:, 6:7], limbus, square[:, 11:]], 1))


def _boundary(xp: ModuleType, series: list[Any], mean_radius: Any, angle: Any) -> tuple[Any, Any]:
    """Distance of the true boundary beyond the strip's, in ring widths, and the angle of the strip at which it lies.

    `angle` is counted around the centre of the true boundary; `mean_radius` is that of the strip's boundary in ring
    widths.
    """
    cosine, sine = xp.cos(angle), xp.sin(angle)
    outward = xp.clip(mean_radius + series[0] + series[1] * cosine + series[2] * sine, _MIN_RADIUS, None)
    angle = angle + xp.atan2(series[2] * cosine - series[1] * sine, outward)
    first = series[1] * xp.cos(angle) + series[2] * xp.sin(angle)
    return series[0] + first + series[3] * xp.cos(2 * angle) + series[4] * xp.sin(2 * angle), angle


def _nodes(xp: ModuleType, like: Any) -> Any:
    """Evenly spaced angles (1, 32) around the circle, with the device and dtype of `like`."""
    return (xp.arange(_NODES, device=like.device, dtype=like.dtype) * (2 * math.pi / _NODES))[None, :]


def _series(xp: ModuleType, values: Any, angle: Any) -> Any:
    """Fourier coefficients (B, 5) up to order 2 of `values` (B, 32) at unevenly spaced `angle` (B, 32) of one turn.

    The integral over the angle is a sum over the nodes, which is spectrally accurate for smooth periodic functions. The
    derivative of the angle by the node is the spectral one (Trefethen 2000, "Spectral Methods in MATLAB", eq. 3.10).
    """
    nodes = _nodes(xp, values)
    between = nodes.T - nodes
    signs = xp.cos(between * (_NODES / 2))  # (-1)^(j - k)
    slope = xp.where(between == 0, 0, signs / (2 * xp.tan(between / 2 + (between == 0))))
    weight = (1 + (slope * (angle - nodes)[:, None, :]).sum(2)) / _NODES
    terms = [(values * weight).sum(1)]
    for order in (1, 2):
        terms += [2 * (values * weight * wave(order * angle)).sum(1) for wave in (xp.cos, xp.sin)]
    return xp.stack(terms, 1)
