from __future__ import annotations

import random

import pytest

from mistique_core.errors import InvalidInputError
from mistique_core.quantizers import Bounded, default_scheme, exact_width, parse_scheme

VGG16 = [65_536] * 2 + [16_384] + [32_768] * 2 + [8_192] + [16_384] * 3 + [4_096] + [8_192] * 3 + [2_048] * 4 + [
    512, 512, 256, 10,
]  # fmt: skip


def test_the_schemes_of_the_net_in_the_thesis() -> None:
    found = {width: default_scheme(width, VGG16) for width in VGG16}
    assert found == {
        65_536: "bounded(0.85)", 32_768: "bounded(0.85)", 16_384: "bounded(0.674)", 8_192: "bounded(0.476)",
        4_096: "bounded(0.337)", 2_048: "bounded(0.238)", 512: "lossless", 256: "lossless", 10: "lossless",
    }  # fmt: skip


def test_neither_order_nor_repetition_of_the_question_matters() -> None:
    shuffled = random.Random(0).sample(VGG16, len(VGG16))
    for width in VGG16:
        assert default_scheme(width, shuffled) == default_scheme(width, iter(VGG16))


@pytest.mark.parametrize("layers", [VGG16, [100], [70, 70, 9_000], [3] * 50, [784, 128, 10], list(range(1, 400))])
def test_exact_layers_are_few_and_no_narrower_layer_is_lossy(layers: list[int]) -> None:
    exact = [width for width in layers if default_scheme(width, layers) == "lossless"]
    lossy = [width for width in layers if width not in exact]
    assert sum(width for width in exact if width > 64) <= 0.02 * sum(layers)
    assert max(exact, default=0) < min(lossy, default=1 << 60)


def test_layers_of_one_width_have_one_scheme() -> None:
    # One of the three would be within the share, all of them are not.
    layers = [100] * 3 + [9_800]
    assert 100 <= 0.02 * sum(layers) < 300
    assert {default_scheme(100, layers)} == {"bounded(0.0526)"}
    assert exact_width(layers) == 64


def test_wider_rows_never_get_finer_steps() -> None:
    steps = [parse_scheme(default_scheme(width)) for width in range(65, 100_000, 97)]
    assert all(isinstance(step, Bounded) for step in steps)
    lengths = [step.deviations for step in steps if isinstance(step, Bounded)]
    assert lengths == sorted(lengths)
    assert lengths[-1] == 0.85
    assert lengths[0] * 127 > 5  # codes reach five standard deviations


@pytest.mark.parametrize("width", [0, -1, 2.5, True, "64"])
def test_what_is_no_width_is_refused(width: object) -> None:
    with pytest.raises(InvalidInputError, match="values a row"):
        default_scheme(width)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="values a row"):
        default_scheme(64, [64, width])  # type: ignore[list-item]
