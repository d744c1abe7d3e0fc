"""Band keys find what datasketch's own index finds, and as often as the formula says."""

import itertools
import math
import sys

import numpy as np
import pytest

from mistique_core.dedup.bands import DEFAULT_TAU, band_keys, banding, optimal_banding, ranked
from mistique_core.dedup.similarity import PERMUTATIONS, signature, sketch
from mistique_core.errors import InvalidInputError

datasketch = pytest.importorskip("datasketch", reason="the extra 'trad' is not installed")
KEYS = (
    4901456484095536901,
    5834440348619748642,
    6640022563684034766,
    7248452996977658929,
    1283548650236551158,
)


def family(similarity: float, pairs: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return pairs of unrelated chunks of 1,024 rows whose sets of items have that Jaccard similarity."""
    random = np.random.default_rng(seed)
    common = round(1024 * 2 * similarity / (1 + similarity))
    made = []
    for _ in range(pairs):
        first = random.integers(0, 2**62, 1024)
        second = first.copy()
        second[random.permutation(1024)[common:]] += 1
        made.append((first, second))
    return made


@pytest.mark.parametrize("similarity", [0.2, 0.5, 0.8, 0.95])
def test_recall_is_what_the_formula_says(similarity: float) -> None:
    """Within four standard errors, over 600 independent pairs."""
    bands, width = banding(DEFAULT_TAU)
    expected = 1 - (1 - similarity**width) ** bands
    pairs = family(similarity, 600, 5)
    found = sum(bool(set(band_keys(signature(a))) & set(band_keys(signature(b)))) for a, b in pairs)
    error = math.sqrt(expected * (1 - expected) / len(pairs))
    assert abs(found / len(pairs) - expected) <= 4 * error + 1 / len(pairs)


@pytest.mark.parametrize("tau", [0.3, 0.5, 0.7, 0.9])
def test_the_same_candidates_as_datasketch(tau: float) -> None:
    """``MinHashLSH`` with the same banding answers every query with the same chunks."""
    chunks = [chunk for share in (0.3, 0.6, 0.9) for pair in family(share, 15, int(share * 10)) for chunk in pair]
    signatures = [signature(chunk) for chunk in chunks]
    keys = [set(band_keys(values, tau)) for values in signatures]
    peer = datasketch.MinHashLSH(num_perm=PERMUTATIONS, params=banding(tau))
    for number, values in enumerate(signatures):
        assert values is not None
        peer.insert(number, sketch(values))
    hits = 0
    for number, values in enumerate(signatures):
        assert values is not None
        ours = {other for other in range(len(chunks)) if keys[other] & keys[number]}
        assert ours == set(peer.query(sketch(values)))
        hits += len(ours) - 1
    assert hits > 0


def test_banding_is_the_optimum_of_datasketch() -> None:
    """The default kept in the code, and the choice of the number of permutations."""
    peer = datasketch.MinHashLSH(threshold=DEFAULT_TAU, num_perm=16)
    assert banding(DEFAULT_TAU) == optimal_banding(DEFAULT_TAU) == (peer.b, peer.r)
    for tau in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        bands, width = banding(tau)
        assert 4 <= bands <= 8
        assert bands * width <= PERMUTATIONS


@pytest.mark.parametrize("tau", [0.29, 0.91, 0.0, 1.0, -1.0, math.nan])
def test_thresholds_outside_the_range(tau: float) -> None:
    """Refused, also where there is no signature to cut."""
    with pytest.raises(InvalidInputError, match=r"0\.3\.\.0\.9"):
        banding(tau)


def test_other_thresholds_need_datasketch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default does not."""
    banding.cache_clear()
    monkeypatch.setitem(sys.modules, "datasketch", None)
    assert banding(DEFAULT_TAU) == (5, 3)
    with pytest.raises(InvalidInputError, match="datasketch"):
        banding(0.6)


def test_keys_are_small_numbers_that_differ_by_band_dtype_length_and_banding() -> None:
    """A signed 64-bit column holds them; nothing but similarity makes two equal."""
    values = np.random.default_rng(1).integers(0, 2**31, 5000)
    variants = [values, values[:-1], values.astype("<u8"), values.astype("<i4"), values.astype("<f8")]
    keys = [band_keys(signature(variant), tau) for variant in variants for tau in (0.5, 0.7)]
    keys.append(band_keys(np.zeros(PERMUTATIONS, "<u4")))
    assert all(0 <= key < 2**63 for found in keys for key in found)
    assert len(set(itertools.chain(*keys))) == sum(map(len, keys))
    assert band_keys(signature(values.copy())) == keys[0]
    assert band_keys(None) == ()


def test_the_stored_format_does_not_change() -> None:
    """Keys in a catalogue stay findable: these were recorded with the first version."""
    assert band_keys(np.arange(PERMUTATIONS, dtype="<u4")) == KEYS


def test_candidates_by_shared_keys() -> None:
    """Most shared keys first, then first seen."""
    assert ranked(["b", "a", "c", "a", "c", "d"]) == ["a", "c", "b", "d"]
    assert ranked([]) == []
