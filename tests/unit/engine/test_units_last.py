"""Units change places as ``np.stack`` does it."""

import numpy as np
import pytest

from mistique_core.engine.stored_array import units_last


@pytest.mark.parametrize("shape", [(0,), (1,), (5000,), (0, 4, 4), (37, 1, 1), (70, 32, 32), (9, 7)])
@pytest.mark.parametrize("units", [1, 3, 40])
def test_it_is_what_stack_gives(shape: tuple[int, ...], units: int) -> None:
    pieces = list(np.random.default_rng(0).standard_normal((units, *shape)).astype(np.float32))
    np.testing.assert_array_equal(units_last(pieces), np.stack(pieces, axis=-1))
