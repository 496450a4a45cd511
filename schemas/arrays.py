"""Names for the numpy arrays that records carry, so that shapes and types read the same everywhere."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
