"""What logging VGG16 adds to its forward pass, and what reuse saves at later checkpoints (thesis 5.8.6).

Run ``python -m benchmarks.dnn_overhead [--quick] [--json PATH] [--rows N] [--repetitions N] [--checkpoints N]
[--schemes KEY ...]``.
The forward pass is the network as one compiled TensorFlow function, called for batches as long as a capture's; each
way to log takes its turn after one. ``model.predict`` is shown too, but is no measure: on some machines it takes, now
and then or mostly, 1.6 times as long. Peak memory is that of a process of its own.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.dnn_memory import measured_in_new_process
from benchmarks.dnn_workload import BATCH_ROWS, SCHEMES, Cost, capture, cost, images, needed_files, network, new_store
from benchmarks.harness import Budget, Report, arguments, finish

ROOT = Path(__file__).resolve().parents[1]
QUICK_SCHEMES = ("pool2", "poolS", "kbit8")
BUDGETS = (
    Budget("poolS", "POOL(S): logging / forward pass, <= 1.1 (thesis 1.05)", at_most=1.1),
    Budget("pool2", "POOL(2), float16: logging / forward pass, <= 1.5 (thesis 2.9)", at_most=1.5),
    Budget("kbit8", "KBIT(8): logging / forward pass, <= 2 (thesis 19.9)", at_most=2.0),
    Budget("later_checkpoint_speedup", "first checkpoint / a later one, >= 10", at_least=10),
    Budget("peak_memory", "peak memory / (3 batches + 500 MB), <= 1", at_most=1.0),
)
THESIS = "19 s without logging; float32 252, float16 151, 8BIT 379, POOL(2) 56, POOL(4) 38, POOL(32) 20"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options = arguments(__doc__.splitlines()[0], argv, rows=10_000, quick_rows=200, extra=_own_options)
    checkpoints = options.checkpoints or (3 if options.quick else 10)
    repetitions = options.repetitions or (1 if options.quick else 3)
    folder = needed_files(range(checkpoints))
    sizes = {"rows": options.rows, "repetitions": repetitions, "checkpoints": checkpoints, "thesis": THESIS}
    report = Report("dnn_overhead", sizes)
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="dnn-overhead-") as name:
        store = Path(name) / "store"
        inputs = images(folder, options.rows)
        model = network(folder)
        compare(report, model, inputs, store, repetitions, options.schemes or _all_schemes(options.quick))
        later_checkpoints(report, folder, inputs, store, checkpoints)
    memory(report, options.rows)
    finish(report, [budget for budget in BUDGETS if budget.ratio in report.ratios], options.json)


def _own_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repetitions", type=int, metavar="N", help="times to run each (default 3, quick 1)")
    parser.add_argument("--schemes", nargs="+", choices=tuple(SCHEMES), metavar="KEY", help="only these ways to log")
    parser.add_argument("--checkpoints", type=int, metavar="N", help="checkpoints to log (default 10, quick 3)")


def _all_schemes(quick: bool) -> tuple[str, ...]:
    return QUICK_SCHEMES if quick else tuple(SCHEMES)


def compare(report: Report, model: Any, inputs: Any, folder: Path, repetitions: int, schemes: Sequence[str]) -> None:
    """Run the forward pass and each way to log in turn."""
    forward: dict[str, list[Cost]] = {scheme: [] for scheme in schemes}
    logged: dict[str, list[Cost]] = {scheme: [] for scheme in schemes}
    stored: dict[str, Any] = {}
    forward_pass = _forward_pass(model)
    forward_pass(inputs[:BATCH_ROWS])
    _log(model, inputs[:BATCH_ROWS], folder, SCHEMES[schemes[0]])
    for repetition in range(repetitions):
        for number in range(len(schemes)):
            scheme = schemes[(repetition + number) % len(schemes)]
            gc.collect()
            forward[scheme].append(cost(lambda: forward_pass(inputs)))
            gc.collect()
            both, stored[scheme] = _log(model, inputs, folder, SCHEMES[scheme])
            logged[scheme].append(both)
            before, after = forward[scheme][-1], logged[scheme][-1]
            print(f"  {scheme}: forward {before.wall:.1f} s, logged {after.wall:.1f} s", flush=True)
    fastest = min(item.wall for items in forward.values() for item in items)
    slowest = max(item.wall for items in forward.values() for item in items)
    report.add("forward pass", fastest_seconds=fastest, slowest_seconds=slowest)
    predicted = cost(lambda: model.predict(inputs, batch_size=BATCH_ROWS, verbose=0))
    report.add("model.predict", seconds=predicted.wall, cpu_seconds=predicted.cpu)
    for scheme in schemes:
        alone, both = _medians(forward[scheme]), _medians(logged[scheme])
        report.add(
            scheme,
            scheme=SCHEMES[scheme] or "default",
            forward_seconds=alone.wall,
            logged_seconds=both.wall,
            forward_cpu_seconds=alone.cpu,
            logged_cpu_seconds=both.cpu,
            logical_bytes=stored[scheme].logical_bytes,
            stored_bytes=stored[scheme].stored_bytes,
        )
        report.ratios[scheme] = both.wall / alone.wall
        report.ratios[f"{scheme}_cpu"] = both.cpu / alone.cpu


def _forward_pass(model: Any) -> Callable[[Any], None]:
    import tensorflow as tf

    function = tf.function(lambda images: model(images, training=False))

    def run(inputs: Any) -> None:
        for start in range(0, len(inputs), BATCH_ROWS):
            function(tf.constant(inputs[start : start + BATCH_ROWS]))

    return run


def _log(model: Any, inputs: Any, folder: Path, scheme: str | None) -> tuple[Cost, Any]:
    """Log into a new store, and return the cost, without opening it, and the report."""
    done: list[Any] = []
    with new_store(folder) as store:
        taken = cost(lambda: done.append(capture(store, model, inputs, scheme=scheme)))
    return taken, done[0]


def _medians(costs: Sequence[Cost]) -> Cost:
    return Cost(statistics.median(item.wall for item in costs), statistics.median(item.cpu for item in costs))


def later_checkpoints(report: Report, folder: Path, inputs: Any, place: Path, checkpoints: int) -> None:
    """Log the checkpoints one after another into one store; loading a checkpoint's weights is not timed."""
    costs = []
    with new_store(place) as store:
        for head in range(checkpoints):
            model = network(folder, head)
            done: list[Any] = []

            def log(model: Any = model, head: int = head, done: list[Any] = done) -> None:
                done.append(capture(store, model, inputs, f"vgg16_epoch{head:02d}"))

            costs.append(cost(log))
            report.add(
                f"checkpoint {head + 1}",
                seconds=costs[-1].wall,
                cpu_seconds=costs[-1].cpu,
                reused_layers=sum(layer.state == "reused" for layer in done[0].layers),
                stored_bytes=done[0].stored_bytes,
            )
    later = _medians(costs[1:])
    report.ratios["later_checkpoint_speedup"] = costs[0].wall / later.wall
    report.ratios["later_checkpoint_speedup_cpu"] = costs[0].cpu / later.cpu


def memory(report: Report, rows: int) -> None:
    """Log once more in a process of its own."""
    found = measured_in_new_process(rows)
    added = found["peak_bytes"] - found["before_bytes"]
    report.add("peak memory", **found, added_bytes=added)
    report.ratios["peak_memory"] = added / found["allowed_bytes"]


if __name__ == "__main__":
    main()
