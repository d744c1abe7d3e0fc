"""Images come from a file or from digits, in one shape; what is fed to networks aligns with them by row id."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from mistique_core.errors import InvalidInputError, NotFoundError
from mistique_core.workflows.cifar import network_input, prepare, read_images, training_data


@pytest.fixture(autouse=True)
def _no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MISTIQUE_CIFAR10", raising=False)


def photographs(path: Path, rows: int = 7, **changes: object) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    arrays = {
        "images": random.integers(0, 256, (rows, 32, 32, 3), np.uint8),
        "labels": random.integers(0, 3, rows, np.uint8),
        "class_names": np.array(["cat", "dog", "ship"]),
    }
    arrays.update(changes)
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return arrays


def test_digits_show_what_their_labels_say() -> None:
    """A classifier that has seen half of the enlarged digits reads the other half."""
    images, labels, names = read_images()
    assert (images.shape, images.dtype, labels.dtype) == ((1797, 32, 32, 3), np.uint8, np.int64)
    assert names == tuple("0123456789")
    np.testing.assert_array_equal(labels, load_digits().target)
    paper = images[:, 0, 0].astype(float)[:, None, None]
    ink = ((paper - images) / 255).reshape(len(images), -1)
    assert KNeighborsClassifier(1).fit(ink[:900], labels[:900]).score(ink[900:], labels[900:]) > 0.8
    channels = images.reshape(-1, 3).astype(float)
    assert np.abs(channels[:, 0] - channels[:, 1]).mean() > 10


def test_digits_are_interpolated_between_the_centres_of_pixels() -> None:
    """The mean of a digit's pixels, and its values far from borders, are those of the small one."""
    from mistique_core.workflows.cifar.images import _interpolation

    enlarge = _interpolation(8)
    np.testing.assert_allclose(enlarge.sum(axis=1), 1)
    line = np.arange(8.0)
    np.testing.assert_allclose((enlarge @ line)[2:-2], np.linspace(0.125, 6.875, 28))
    assert list((enlarge @ line)[[0, 1, -2, -1]]) == [0, 0, 7, 7]


def test_fewer_rows_are_a_prefix_and_the_seed_only_paints() -> None:
    all_images, few = read_images(), read_images(13)
    np.testing.assert_array_equal(few.images, all_images.images[:13])
    np.testing.assert_array_equal(few.labels, all_images.labels[:13])
    other = read_images(13, seed=1)
    assert not np.array_equal(other.images, few.images)
    np.testing.assert_array_equal(other.labels, few.labels)


def test_a_file_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = photographs(tmp_path / "c.npz")
    named = read_images(5, path=tmp_path / "c.npz")
    monkeypatch.setenv("MISTIQUE_CIFAR10", str(tmp_path / "c.npz"))
    for found in (named, read_images(5, seed=9)):
        np.testing.assert_array_equal(found.images, arrays["images"][:5])
        np.testing.assert_array_equal(found.labels, arrays["labels"][:5])
        assert found.class_names == ("cat", "dog", "ship")


def test_more_images_than_there_are(tmp_path: Path) -> None:
    photographs(tmp_path / "c.npz")
    with pytest.raises(InvalidInputError, match=r"8 images were asked for, but .*c.npz' holds 7"):
        read_images(8, path=tmp_path / "c.npz")
    with pytest.raises(InvalidInputError, match=r"1,798 images were asked for, .* give 1,797; .*MISTIQUE_CIFAR10"):
        read_images(1_798)
    with pytest.raises(InvalidInputError, match="rows=0"):
        read_images(0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": None}, "has no labels"),
        ({"images": np.zeros((7, 32, 32), np.uint8)}, r"images uint8 \(7, 32, 32\)"),
        ({"images": np.zeros((7, 32, 32, 3))}, "images float64"),
        ({"labels": np.zeros(6, int)}, r"labels \(6,\)"),
        ({"class_names": np.array([object()], object)}, "cannot be read"),
    ],
)
def test_a_file_with_something_else(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    photographs(tmp_path / "c.npz", **changes)
    with pytest.raises(InvalidInputError, match=message):
        read_images(path=tmp_path / "c.npz")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        read_images(path=tmp_path / "c.npz")
    (tmp_path / "c.npz").write_bytes(b"no archive")
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_images(path=tmp_path / "c.npz")


def test_prepared_pixels() -> None:
    every = np.arange(256, dtype=np.uint8)
    prepared = prepare(every)
    assert prepared.dtype == np.float32
    np.testing.assert_allclose(prepared, (every / 255.0 - 0.47) / 0.25, rtol=0, atol=1e-6)


def test_the_last_rows_validate_and_none_is_in_both() -> None:
    (x, y), (x_validation, y_validation) = training_data(50, validation=0.3)
    images, labels, _ = read_images(50)
    assert (len(x), len(x_validation)) == (35, 15)
    np.testing.assert_array_equal(np.concatenate([x, x_validation]), prepare(images))
    np.testing.assert_array_equal(np.concatenate([y, y_validation]), labels)


@pytest.mark.parametrize("validation", [0.0, 1.0, -0.5, 0.01])
def test_shares_that_leave_nothing(validation: float) -> None:
    with pytest.raises(InvalidInputError, match="of 20 images leaves"):
        training_data(20, validation=validation)


def test_row_ids_do_not_depend_on_how_many_rows_there_are() -> None:
    few, more = network_input(5), network_input(9)
    assert few["row_id"].dtype == np.int64
    assert list(more["row_id"]) == list(range(9))
    np.testing.assert_array_equal(few["images"], more["images"][few["row_id"]])


def test_importing_the_workload_is_cheap() -> None:
    code = "import sys, mistique_core.workflows.cifar; print({'tensorflow', 'keras', 'sklearn'} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "set()"
