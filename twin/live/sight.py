"""Say which things of the board a caller may see."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twin.access.grants import Grants
from twin.access.roles import DataClass

WORKERS: Final = 1
"""Layer of what moves with a person."""


def in_scope(
    grants: Grants, device_id: NDArray[Any], layer: NDArray[Any], scope_code: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Say for n things, shape (n,) each, which ones grants let their holder see.

    The same rule as the policy of the table ``device``: what is installed by the class of places, workers
    by their own class, and always the own tracker.
    """
    workers = np.asarray(layer == WORKERS)
    of_worker = grants.scope(DataClass.WORKER).contains(scope_code)
    if grants.tracker_id is not None:
        of_worker |= device_id == grants.tracker_id
    return np.where(workers, of_worker, grants.scope(DataClass.PLACE).contains(scope_code))
