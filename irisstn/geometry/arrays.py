"""Types of the arrays that pass between the stages, and the full turn in radians."""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating]
Float32 = NDArray[np.float32]
Gray = NDArray[np.uint8]
Bool = NDArray[np.bool_]

TAU = 2.0 * np.pi
