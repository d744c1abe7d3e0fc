"""Rates of a host that is measured when its clock shows no difference at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from mistique_core.engine import calibrate as measured
from mistique_core.storage import LocalBackend


def test_no_rate_is_faster_than_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Differences of two medians may be nothing but noise; an estimate from them must still be above zero."""
    monkeypatch.setattr(measured.time, "perf_counter", lambda: 7.0)
    rates = measured.calibrate(LocalBackend(tmp_path), 3)
    assert min(rate.seconds for rate in rates.values()) == pytest.approx(1e-11)
    assert list(tmp_path.rglob("*.h5")) == []
