"""A row of the augmented images is the same image, whoever asks for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.augmented_images import MOST_LIGHT, MOST_SHIFT, augmented, augmented_input

HELD = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)


def test_the_first_rows_are_the_images_themselves() -> None:
    np.testing.assert_array_equal(augmented(HELD, 0, 7), HELD)
    np.testing.assert_array_equal(augmented(HELD, 2, 5), HELD[2:5])


@pytest.mark.parametrize(("first", "end"), [(0, 23), (5, 16), (6, 8), (13, 14), (22, 23)])
def test_a_row_does_not_depend_on_what_else_is_asked_for(first: int, end: int) -> None:
    np.testing.assert_array_equal(augmented(HELD, first, end), augmented(HELD, 0, 40)[first:end])


def test_a_copy_is_its_image_flipped_shifted_and_lit_otherwise() -> None:
    for row, copy in enumerate(augmented(HELD, 7, 28)):
        held = HELD[row % 7].astype(int)
        found = []
        for flipped in (copy, copy[:, ::-1]):
            for dy in range(-MOST_SHIFT, MOST_SHIFT + 1):
                for dx in range(-MOST_SHIFT, MOST_SHIFT + 1):
                    inner = slice(MOST_SHIFT, 32 - MOST_SHIFT)
                    moved = held[MOST_SHIFT + dy : 32 - MOST_SHIFT + dy, MOST_SHIFT + dx : 32 - MOST_SHIFT + dx]
                    given = flipped[inner, inner].astype(int)
                    free = (given > 0) & (given < 255)
                    light = (given - moved)[free]
                    found.append(abs(light[0]) <= MOST_LIGHT and bool((light == light[0]).all()))
        assert sum(found) == 1, row


def test_copies_differ() -> None:
    assert len({image.tobytes() for image in augmented(HELD, 0, 70)}) == 70


def test_the_input_comes_in_batches(tmp_path: Path) -> None:
    file = tmp_path / "images.npz"
    np.savez(file, images=HELD, labels=np.zeros(7, np.uint8), class_names=np.array(["thing"]))
    batches = list(augmented_input(str(file), rows=20, batch_rows=8))
    assert [len(batch["images"]) for batch in batches] == [8, 8, 4]
    np.testing.assert_array_equal(np.concatenate([batch["row_id"] for batch in batches]), np.arange(20))
    pixels = np.concatenate([batch["images"] for batch in batches])
    assert pixels.dtype == np.float32
    back = np.rint((pixels * 0.25 + 0.47) * 255).astype(np.uint8)
    np.testing.assert_array_equal(back, augmented(HELD, 0, 20))
