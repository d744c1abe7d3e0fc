"""Arrays as pictures."""

from __future__ import annotations

import numpy as np
import pytest

from mistique_core.diagnostics.values.pictures import to_grey_maps, to_pictures
from mistique_core.errors import InvalidInputError


def test_bytes_stay_and_shares_are_of_255() -> None:
    given = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)
    assert to_pictures(given) is given
    shares = np.array([0.0, 0.5, 1.0, np.nan]).reshape(1, 2, 2, 1)
    assert to_pictures(shares).ravel().tolist() == [0, 128, 255, 0]


def test_other_numbers_are_stretched_over_all_images() -> None:
    images = np.array([-3.0, -1.0, 1.0, np.inf]).reshape(2, 1, 2, 1)
    assert to_pictures(images).ravel().tolist() == [0, 128, 255, 255]
    assert to_pictures(np.full((1, 2, 2, 1), 7.0)).max() == 0


def test_each_map_has_its_own_scale() -> None:
    maps = np.array([[[0.0, 1.0]], [[10.0, 30.0]], [[5.0, 5.0]]])
    assert to_grey_maps(maps).tolist() == [[[0, 255]], [[0, 255]], [[0, 0]]]


def test_what_is_no_image_is_refused_with_its_shape() -> None:
    with pytest.raises(InvalidInputError, match=r"\(2, 3\) are no images; give \(n, height, width, 1 or 3\)"):
        to_pictures(np.zeros((2, 3)))
    with pytest.raises(InvalidInputError, match="no images"):
        to_pictures(np.zeros((1, 4, 4, 8)))
