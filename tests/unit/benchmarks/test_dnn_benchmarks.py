from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import dnn_queries
from benchmarks.dnn_memory import memory_bytes
from benchmarks.dnn_workload import cost, images
from benchmarks.harness import Report


def test_cost_counts_elapsed_and_processor_seconds() -> None:
    taken = cost(lambda: sum(range(200_000)))
    assert taken.wall > 0
    assert taken.cpu > 0


def test_more_rows_than_images_repeat_them(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    names = np.array([str(number) for number in range(10)])
    np.savez(tmp_path / "cifar10_10k.npz", images=pixels, labels=np.zeros(3, np.int64), class_names=names)
    found = images(tmp_path, 5)
    assert found.shape == (5, 32, 32, 3)
    np.testing.assert_array_equal(found[3:], found[:2])
    np.testing.assert_array_equal(images(tmp_path, 2), found[:2])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_the_most_memory_is_at_least_what_is_in_use() -> None:
    resident = memory_bytes("VmRSS")
    assert 0 < resident <= memory_bytes("VmHWM") * 1.01
    with pytest.raises(ValueError, match="Nothing"):
        memory_bytes("Nothing")


def _row(layer: int, read: float, rerun: float, auto: str) -> dict[str, object]:
    taken, other = (read, rerun) if auto == "read" else (rerun, read)
    return {
        "what": f"layer {layer}", "kind": "warm", "layer": layer, "columns": "all", "n_ex": 10,
        "read_seconds": read, "rerun_seconds": rerun, "network_seconds": rerun * 2,
        "read_estimate_seconds": read / 2, "rerun_estimate_seconds": rerun * 3,
        "rerun_over_read": rerun / read, "network_over_read": rerun * 2 / read,
        "auto_right": taken <= other, "auto_close": taken <= dnn_queries.CLOSE * other,
    }  # fmt: skip


def test_ratios_of_queries_and_the_picture(tmp_path: Path) -> None:
    rows = [_row(1, 1.1, 1.0, "read"), _row(11, 1.0, 4.0, "read"), _row(21, 1.0, 0.1, "read")]
    report = Report("dnn_queries", {}, rows=rows)
    dnn_queries.summarize(report, 10)
    assert report.ratios["rerun_over_read_layer11"] == 4.0
    assert report.ratios["network_over_read_layer21"] == pytest.approx(0.2)
    assert report.ratios["auto_strictly_right_share"] == pytest.approx(1 / 3)
    assert report.ratios["auto_right_share"] == pytest.approx(2 / 3)
    assert report.ratios["read_estimate_over_measured"] == 0.5
    dnn_queries.plot(report, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 0
