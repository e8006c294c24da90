"""The sparse engine: MLPs on a CPU, at the cost of the weights that are left.

numba reads settings from the folder that it is imported in, and again whenever it compiles. That
folder may be anybody's, so nothing there counts.
"""

import os
from typing import Any

from lthctl.surroundings import imported_apart

imported_apart("numba")
_config: Any = imported_apart("numba.core.config")
_config._config_fname = os.devnull
