"""Row ids for a DataFrame of Spark: assigned once, and a column like any other from then on."""

from __future__ import annotations

from typing import Any

from mistique_core.errors import InvalidInputError
from mistique_core.frames import ROW_ID
from mistique_core.spark.columns import compared
from mistique_core.spark.environment import require_spark
from mistique_core.spark.partition_rows import PartitionRows, count_partitions, fixed_partitions, may_change, pinned

_PARTITION_BITS = 33
"""``monotonically_increasing_id`` has the partition above these bits, and the place in it below."""


def with_row_ids(frame: Any, name: str = ROW_ID) -> Any:
    """Return a DataFrame with a column that numbers its rows from 0, in their order.

    Joins, sorts and shuffles afterwards keep each row's number. Call it where the data come from, before anything that
    shuffles: what a shuffle gives may come in another order each time it is computed, and numbers would belong to other
    rows then. Such a DataFrame is refused; ``checkpoint()`` it first.

    Parameters
    ----------
    frame
        A DataFrame; it is counted at once, by a job of Spark.
    name
        Of the column, int64.

    Raises
    ------
    InvalidInputError
        If there is such a column already, or the rows may come in another order each time.

    Examples
    --------
    >>> homes = with_row_ids(spark.read.parquet("homes.parquet"))                           # doctest: +SKIP
    >>> log_spark_frame(run, "homes", homes.join(regions, "region"), row_id="row_id")       # doctest: +SKIP
    """
    require_spark("with_row_ids")
    check_free(frame, name, "use it, or give another name=")
    if may_change(frame):
        raise InvalidInputError(
            "the rows of this DataFrame may come in another order each time that it is computed, since its plan "
            "shuffles; call with_row_ids where the data come from, or checkpoint() the DataFrame first"
        )
    return numbered(frame, name)[0]


def check_free(frame: Any, name: str, remedy: str) -> None:
    """Raise :class:`InvalidInputError` if a new column of this name would replace one."""
    *keys, wanted = compared(frame, [*frame.columns, name])
    if wanted in keys:
        found = frame.columns[keys.index(wanted)]
        same = "" if found == name else f", which Spark takes for {name!r}"
        raise InvalidInputError(f"the DataFrame has a column {found!r} already{same}; {remedy}")


def numbered(frame: Any, name: str) -> tuple[Any, PartitionRows]:
    """Return a DataFrame with a column that numbers its rows, and how many rows each of its partitions has."""
    from pyspark.sql import functions

    frame = pinned(frame)
    with fixed_partitions(frame):
        rows = count_partitions(frame, with_check=False)
    starts = functions.array(*[functions.lit(start).cast("bigint") for start in rows.starts or (0,)])
    partition = functions.spark_partition_id()
    place = functions.monotonically_increasing_id().bitwiseAND(functions.lit(2**_PARTITION_BITS - 1))
    return frame.withColumn(name, functions.get(starts, partition) + place), rows
