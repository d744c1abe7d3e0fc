"""Row ids by place, and a sample that is the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mistique_core import Mistique
from mistique_core.errors import NotFoundError


def test_pages_and_samples(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).permutation(5_000)
    frame = pd.DataFrame({"x": np.arange(5_000.0)}, index=pd.Index(ids, name="row_id"))
    with Mistique.open(tmp_path / "store", block_rows=1_000) as store:
        store.log_frame("p", "m", "rows", frame)
        assert store.row_ids("p.m.rows").tolist() == ids.tolist()
        assert store.row_ids("p.m.rows.x", start=990, stop=1_010).tolist() == ids[990:1_010].tolist()
        assert store.row_ids("p.m.rows", start=4_999, stop=9_000).tolist() == ids[4_999:].tolist()
        drawn = store.row_ids("p.m.rows", sample=500)
        assert len(np.unique(drawn)) == 500
        assert store.row_ids("p.m.rows", sample=500).tolist() == drawn.tolist()
        places = np.flatnonzero(np.isin(ids, drawn))
        assert ids[places].tolist() == drawn.tolist(), "in stored order"
        assert 400 < np.median(places) / 5_000 * 1_000 < 600, "from everywhere"
        assert len(store.row_ids("p.m.rows", sample=9_999)) == 5_000
        with pytest.raises(NotFoundError, match="no intermediate 'row'"):
            store.row_ids("p.m.row")
