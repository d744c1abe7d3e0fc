"""Mutated inputs for everything that reads what others wrote: no crash, no hang, no wrong value, bounded memory.

``python -m benchmarks.fuzz --inputs 1000000`` shares a million inputs among the targets. Each input depends on the seed
and its number only, so ``--target partition --first 1234 --inputs 1`` tries one again.

============ =================================================================================================
target       inputs
============ =================================================================================================
partition    partition files: bytes flipped, cut, moved; HDF5 attributes, shapes, links and pages forged
yaml         workflow files: tokens changed, and values in several styles that must be read back
light        files of the Light API, as YAML and as JSON
key          keys, names, paths into metadata, schemes, predicates, locations
filter       filters of runs, written again and asked of a catalogue
request      requests to every route and callback of the web application, from a user who may not read all
============ =================================================================================================
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fuzzing.document_targets import LightTarget, YamlTarget
from benchmarks.fuzzing.partition_target import PartitionTarget
from benchmarks.fuzzing.request_target import RequestTarget
from benchmarks.fuzzing.target import TargetFactory
from benchmarks.fuzzing.text_targets import FilterTarget, KeyTarget
from benchmarks.fuzzing.worker import Tally, fuzz
from benchmarks.harness import Budget, Report, finish

TARGETS = {
    "partition": TargetFactory(PartitionTarget),
    "yaml": TargetFactory(YamlTarget),
    "light": TargetFactory(LightTarget),
    "key": TargetFactory(KeyTarget),
    "filter": TargetFactory(FilterTarget),
    "request": TargetFactory(RequestTarget, most_seconds=60.0),
}
SHARES = {"partition": 2, "yaml": 2, "light": 1, "key": 3, "filter": 1, "request": 1}
"""Of all inputs; most for what anyone may put into the store's place or the DAGs folder, and what is quick."""
_QUICK = 600
_SHOWN = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Run the fuzzer; return 1 if an input did what none may do."""
    parser = argparse.ArgumentParser(description="Try mutated inputs.")
    parser.add_argument("--target", choices=sorted(TARGETS), help="only this one (default: all)")
    parser.add_argument("--inputs", type=int, metavar="N", help="of all targets together (default 100,000)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first input (default 0)")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK} inputs, done within 45 seconds")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the results there")
    options = parser.parse_args(argv)
    inputs = options.inputs or (_QUICK if options.quick else 100_000)
    names = [options.target] if options.target else list(TARGETS)
    whole = sum(SHARES[name] for name in names)
    report = Report("fuzz", {"inputs": inputs, "seed": options.seed, "first": options.first})
    failures = 0
    for name in names:
        tally = fuzz(TARGETS[name], options.seed, options.first, max(1, inputs * SHARES[name] // whole))
        failures += len(tally.failures)
        _report(report, name, tally)
    report.ratios["failures"] = failures
    finish(report, [Budget("failures", "inputs that crash, hang, fail or give a wrong value", at_most=0)], options.json)
    return 1 if failures else 0


def _report(report: Report, name: str, tally: Tally) -> None:
    report.add(
        name,
        inputs=tally.inputs,
        inputs_per_second=tally.inputs / max(tally.seconds, 1e-9),
        failures=len(tally.failures),
        slowest_seconds=tally.slowest_seconds,
        slowest_input=tally.slowest,
        grown_mib=tally.grown_bytes / 2**20,
    )
    for outcome, number in tally.outcomes.most_common():
        report.add(f"  {name}: {outcome}", inputs=number, share=number / tally.inputs)
    for failure in tally.failures[:_SHOWN]:
        report.add(f"  {name}: input {failure.number}: {failure.kind}", detail=failure.detail)


if __name__ == "__main__":
    sys.exit(main())
