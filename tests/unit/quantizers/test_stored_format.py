"""What is stored, bit for bit: other programs read it, and later releases have to."""

import hashlib
import json

import numpy as np
import pytest

from mistique_core.quantizers import FittedQuantizer, parse_scheme

# The document of each fitted quantizer, and a digest of its tables and of the parts of one block. Never change an
# entry: a store holds such bytes. A change of format needs a new version beside the old one.
STORED: dict[str, tuple[dict[str, object], str]] = {
    "float16": ({"name": "float16"}, "f2664e36b451b859ad249f7abce2d743"),
    "kbit(3)": ({"name": "kbit", "bits": 3}, "6060b5a42ee36d93f686a15a766e5d61"),
    "threshold(90%)": ({"name": "threshold", "percentile": 90.0, "value": None}, "97f637de587ac6d8f613d64a3cb923a9"),
    "threshold(value 0.3)": (
        {"name": "threshold", "percentile": None, "value": 0.3},
        "4d51acdd0a4f4ced2a553efa5f1b1ae4",
    ),
    "pool(2)": ({"name": "pool", "sigma": 2, "how": "avg", "then": None}, "52f60faa059001bcce4dfce9618a5e26"),
    "pool(S, max)+float16": (
        {
            "name": "pool",
            "sigma": "S",
            "how": "max",
            "then": {"version": 1, "name": "float16", "units": 2, "map_shape": [1, 1], "dtype": "float32"},
        },
        "e86b81ae42df4678dfea5a363f3c60a7",
    ),
    "pool(2)+kbit(2)": (
        {
            "name": "pool",
            "sigma": 2,
            "how": "avg",
            "then": {"version": 1, "name": "kbit", "bits": 2, "units": 2, "map_shape": [1, 2], "dtype": "float32"},
        },
        "2d74ff1032d26c39cb32a98f57be01de",
    ),
    "bounded(0.25)": ({"name": "bounded", "deviations": 0.25}, "876795a5dc167ce1dfe35b52cf497737"),
    "bounded(0.01)": ({"name": "bounded", "deviations": 0.01}, "a5285f116272e7cf2cf0b9ea050831a5"),
}
LAYOUT = {"version": 1, "units": 2, "map_shape": [2, 3], "dtype": "float32"}


def fixed_values() -> np.ndarray:
    """Multiples of 1/64, half of one unit cut off at zero."""
    numbers = np.arange(2 * 60 * 2 * 3) * 37 % 101 - 50
    values = (numbers / 8).astype(np.float32).reshape(2, 60, 2, 3)
    values[1] /= 8
    values[0, ::2] = np.maximum(values[0, ::2], 0)
    return values


def fixed_block(scheme: str) -> tuple[FittedQuantizer, dict[str, np.ndarray]]:
    quantizer = parse_scheme(scheme)
    assert quantizer is not None
    fitted = quantizer.fit(fixed_values())
    return fitted, fitted.encode(fixed_values()).parts


@pytest.mark.parametrize("scheme", STORED)
def test_bytes_are_the_same_everywhere(scheme: str) -> None:
    fitted, parts = fixed_block(scheme)
    config, digest = STORED[scheme]
    assert fitted.config() == json.loads(json.dumps({**LAYOUT, **config}))
    hasher = hashlib.sha256()
    for name, array in sorted({**parts, **fitted.tables()}.items()):
        hasher.update(f"{name} {array.dtype.str} {array.shape} ".encode() + array.tobytes())
    assert hasher.hexdigest()[:32] == digest


def test_bounded_is_read_by_one_multiplication() -> None:
    fitted, parts = fixed_block("bounded(0.01)")
    values = parts["codes"] * fitted.tables()["steps"].reshape(2, 1, 1, 1)
    values[parts["codes"] == -128] = parts["exact"]
    assert values.dtype == np.float32
    np.testing.assert_array_equal(fitted.decode(parts, 60), values)


def test_kbit_is_read_by_one_look_up() -> None:
    fitted, parts = fixed_block("kbit(3)")
    np.testing.assert_array_equal(fitted.decode(parts, 60), fitted.tables()["levels"][parts["codes"]])


def test_threshold_is_read_by_unpacking_bits() -> None:
    fitted, parts = fixed_block("threshold(value 0.3)")
    bits = np.unpackbits(parts["bits"], axis=1)[:, : 60 * 6].reshape(2, 60, 2, 3)
    np.testing.assert_array_equal(fitted.decode(parts, 60), bits == 1)


def test_pooled_values_are_stored_as_they_are() -> None:
    fitted, parts = fixed_block("pool(2)")
    np.testing.assert_array_equal(parts["values"], fitted.decode(parts, 60))
    assert parts["values"].shape == (2, 60, 1, 2)


# The same of margins, of wider rows.
MARGINS = {
    "kbit(8)": "5156855b303c02847b4fc54152f85f6a",
    "bounded(0.25)": "6e6db343503bb0d7e41b73ade4f671da",
    "pool(2, max)+bounded(0.25)": "ef04c3deba1ad10d7a0b0530822c140a",
}


def wide_block(scheme: str) -> tuple[FittedQuantizer, np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Multiples of 1/64, nearly all of them different, in 256 values a row."""
    numbers = np.arange(256 * 20 * 2 * 2) * 7919 % 104_729 - 20_000
    values = (numbers / 64).astype(np.float32).reshape(256, 20, 2, 2)
    quantizer = parse_scheme(scheme)
    assert quantizer is not None
    fitted = quantizer.fit(values)
    encoded = fitted.encode(values)
    return fitted, values, encoded.parts, encoded.margins


@pytest.mark.parametrize("scheme", MARGINS)
def test_margins_are_the_same_everywhere(scheme: str) -> None:
    _, _, _, margins = wide_block(scheme)
    hasher = hashlib.sha256()
    for name, array in sorted(margins.items()):
        hasher.update(f"{name} {array.dtype.str} {array.shape} ".encode() + array.tobytes())
    assert hasher.hexdigest()[:32] == MARGINS[scheme]


def test_a_radius_is_the_upper_half_of_a_float() -> None:
    """With ones for the lower half it is not smaller than the norm of what rounding took away."""
    for scheme in ("kbit(8)", "bounded(0.25)"):
        fitted, values, parts, margins = wide_block(scheme)
        radius = (margins["radius"].astype("<u4") << 16 | 0xFFFF).view("<f4")
        near = fitted.decode(parts, 20)
        if "tails" in margins:
            last = fitted.tables()["levels"].size - 1
            outer = (parts["codes"] == 0) | (parts["codes"] == last)
            near[outer] = (margins["tails"].astype("<u4") << 16 | 0x8000).view("<f4")
        norms = np.sqrt(np.square(near.astype(float) - values).sum(axis=(0, 2, 3)))
        assert (norms <= radius).all()
        assert (radius <= 1.01 * norms).all()
