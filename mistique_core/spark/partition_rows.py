"""How many rows each partition of a DataFrame has, so that every row knows its place before it is written.

Where a plan has no shuffle, partitions are those of its source, whatever is asked of them: counting reads few columns.
Elsewhere Spark may plan another join, or merge other partitions, for fewer columns. There both the count and the
writing take the very same RDD, and hashes of all rows are summed up, so that rows which come otherwise the second time
are noticed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

log = logging.getLogger(__name__)

_ADAPTIVE = "spark.sql.adaptive.enabled"
_SHUFFLED = "spark.sql.shuffle.partitions"
CHECK = "mistique_check"
"""Name of the column with a hash of each row."""
SUM_BITS = 31
_EXCHANGE = re.compile(r"^[ :|+-]*(?:\*\(\d+\) )?\w*Exchange\b", re.MULTILINE)
"""A node of a plan, one a line, that shuffles; tables and columns may be called so too."""
_SHUFFLED_RDD = re.compile(r"^[ |]*\+-\(", re.MULTILINE)
"""An RDD of a lineage, one a line, that others take by a shuffle."""


@dataclass(frozen=True)
class PartitionRows:
    """The rows of a DataFrame by partition.

    Attributes
    ----------
    counts
        Rows of each partition.
    check
        (XOR of the hashes of all rows, sum of their lowest `SUM_BITS` bits); ``None`` where it was not computed.
    """

    counts: tuple[int, ...]
    check: tuple[int, int] | None = None

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.counts)

    @property
    def starts(self) -> tuple[int, ...]:
        """Number of the first row of each partition, from 0."""
        return tuple(accumulate(self.counts, initial=0))[:-1]


def pinned(frame: Any) -> Any:
    """Return a DataFrame of the same rows whose partitions are planned once and for all.

    Spark plans anew for every question: with other executors a file is split otherwise. Here whatever is asked takes
    the RDD that was planned for this DataFrame; what it shuffles is shuffled once. A DataFrame of Spark Connect, which
    has no RDD, is returned as it is.
    """
    if is_remote(frame):
        return frame
    plan = frame._jdf.queryExecution()
    session = frame.sparkSession
    java = session._jsparkSession.internalCreateDataFrame(plan.toRdd(), frame._jdf.schema(), False)
    return type(frame)(java, session)


def is_remote(frame: Any) -> bool:
    """Return whether a DataFrame is one of Spark Connect."""
    return "connect" in type(frame).__module__.split(".")


@contextmanager
def fixed_partitions(frame: Any) -> Iterator[None]:
    """Let Spark plan the same partitions each time: its adaptive merging of them is off while the block runs."""
    with _setting(frame, _ADAPTIVE, "false"):
        yield


@contextmanager
def _setting(frame: Any, name: str, value: str) -> Iterator[None]:
    """Change a setting of a DataFrame's session while the block runs."""
    conf = frame.sparkSession.conf
    before = conf.get(name, None)
    conf.set(name, value)
    try:
        yield
    finally:
        if before is None:
            conf.unset(name)
        else:
            conf.set(name, before)


def may_change(frame: Any) -> bool:
    """Return whether a DataFrame's partitions, or the rows in them, may depend on what is asked of it.

    So it is where its plan shuffles or joins, where the RDD that it takes or is does so (a limit has no exchange in its
    plan), and of a DataFrame of Spark Connect, which does not show its plan.
    """
    if is_remote(frame) or _exchanges(frame):
        return True
    return _SHUFFLED_RDD.search(frame._jdf.queryExecution().toRdd().toDebugString()) is not None


def _exchanges(frame: Any) -> bool:
    """Return whether running the plan of a DataFrame shuffles; what is behind an RDD in it is none of the plan's."""
    return _EXCHANGE.search(frame._jdf.queryExecution().executedPlan().toString()) is not None


def count_partitions(frame: Any, *, with_check: bool) -> PartitionRows:
    """Count the rows of each partition; call it in :func:`fixed_partitions`.

    Parameters
    ----------
    frame
        The DataFrame.
    with_check
        Whether all columns are computed, and their values summed up.
    """
    from pyspark.sql import functions

    partition = functions.spark_partition_id().alias("partition")
    if with_check:
        checked = frame.select(partition, row_hash(frame.columns).alias(CHECK))
        sums = [
            functions.bit_xor(CHECK).alias("xor"),
            functions.sum(functions.col(CHECK).bitwiseAND(functions.lit(2**SUM_BITS - 1))).alias("sum"),
        ]
    else:
        checked, sums = frame.select(partition), []
    counted = checked.groupBy("partition").agg(functions.count(functions.lit(1)).alias("rows"), *sums)
    # A plan without other shuffles may bring the counts together in one task; its own would have 200.
    with nullcontext() if is_remote(frame) or _exchanges(frame) else _setting(frame, _SHUFFLED, "1"):
        found = counted.collect()
    rows = {int(item["partition"]): int(item["rows"]) for item in found}
    counts = tuple(rows.get(number, 0) for number in range(max(rows, default=-1) + 1))
    if not with_check:
        return PartitionRows(counts)
    xor, total = 0, 0
    for item in found:
        xor ^= int(item["xor"])
        total += int(item["sum"])
    return PartitionRows(counts, (xor, total))


def row_hash(columns: Sequence[str]) -> Any:
    """Return the expression of a 64-bit hash of a row."""
    from pyspark.sql import functions

    return functions.xxhash64(*columns)
