"""What re-running a stage takes: the terms of Eq. 5.2 and 5.3, as recorded when it ran and as measured since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mistique_core.cost.rates import HostRates, Rate, learn

Kind = Literal["frame", "layer"]
ROWS_STEP_SECONDS = 0.004
"""What re-running a stage for some rows costs besides its share of the measured time, where nobody has measured it:
rebuilding it from its record, and pandas' cost of a call (2 to 10 ms a stage were seen)."""
BATCH_BYTES = 256 * 1024 * 1024
LEAST_BATCH_ROWS, MOST_BATCH_ROWS = 16, 1_000
_LEAST_SECONDS = 1e-9


@dataclass(frozen=True)
class StageCost:
    """Seconds of one stage as they were recorded when it ran.

    Attributes
    ----------
    transformer_seconds
        Loading the stored transformer.
    exec_seconds
        Executing it on `rows` rows.
    rows
        Rows that `exec_seconds` was measured on.
    call_seconds
        What executing it costs however few rows it makes; ``None`` where nobody has measured it.
    key
        Names the stage among what this host has measured; "" for none.
    kind
        ``layer`` for what works on arrays, batch by batch; else ``frame``.
    row_bytes
        Bytes of one row of what it makes.
    """

    transformer_seconds: float
    exec_seconds: float
    rows: int
    call_seconds: float | None = None
    key: str = ""
    kind: Kind = "frame"
    row_bytes: int = 0

    def recorded(self) -> dict[str, float]:
        """Return the recorded seconds of one load, one call and one row."""
        call = ROWS_STEP_SECONDS if self.call_seconds is None else self.call_seconds
        executing = self.exec_seconds
        if self.kind == "layer":
            executing = max(executing - call * -(-self.rows // MOST_BATCH_ROWS), executing / 10)
        return {"load": self.transformer_seconds, "call": call, "row": executing / max(self.rows, 1)}


@dataclass(frozen=True)
class StageMeasurement:
    """What one stage of a re-run took.

    Attributes
    ----------
    stage
        Its row in the catalogue.
    load_seconds
        Rebuilding it and loading what it has learned; ``None`` where it was loaded already.
    exec_seconds
        Executing it.
    rows
        Rows that it made.
    calls
        In so many calls.
    whole
        Whether it made all rows of all its outputs at once.
    """

    stage: int
    load_seconds: float | None
    exec_seconds: float
    rows: int
    calls: int
    whole: bool


def batch_rows(row_bytes: Sequence[int]) -> int:
    """Return how many rows to run at a time, so that what they are in all layers together stays small."""
    fitting = BATCH_BYTES // max(sum(row_bytes), 1)
    return max(LEAST_BATCH_ROWS, min(MOST_BATCH_ROWS, fitting))


def calls_of(cost: StageCost, rows: int | None, batch: int) -> int:
    """Return in how many calls a stage makes so many rows (``None`` for all)."""
    if cost.kind == "frame":
        return 0 if rows is None else 1
    return max(1, -(-(cost.rows if rows is None else rows) // batch))


def stage_seconds(
    cost: StageCost, rates: HostRates, rows: int | None, *, batch: int = MOST_BATCH_ROWS, loaded: bool = False
) -> float:
    """Return the estimate of re-running one stage without its inputs (Eq. 5.2 and 5.3).

    Parameters
    ----------
    cost
        What was recorded.
    rates
        What this host has measured.
    rows
        Rows to make; ``None`` for all.
    batch
        Rows that a layer makes at a time.
    loaded
        Whether this process has the stage loaded already.
    """
    made = cost.rows if rows is None else min(rows, cost.rows)
    amounts = {"load": 0 if loaded else 1, "call": calls_of(cost, rows, batch), "row": made}
    recorded = cost.recorded()
    total = 0.0
    for part, amount in amounts.items():
        own = rates.rates.get(_own(part, cost.key))
        each = recorded[part] * _factor(rates, part, cost.kind) if own is None else own.seconds
        total += amount * each
    return total


def learn_stage(cost: StageCost, rates: HostRates, measured: StageMeasurement) -> dict[str, Rate]:
    """Return the rates that the measurement of one stage changes: its own, and how recorded seconds of its kind hold.

    Parameters
    ----------
    cost
        What was recorded.
    rates
        What this host has measured so far.
    measured
        What was measured now.
    """
    changed: dict[str, Rate] = {}
    given = {}
    if measured.load_seconds is not None:
        given["load"] = ({"load": 1.0}, measured.load_seconds)
    calls = 0.0 if measured.whole and cost.kind == "frame" else float(measured.calls)
    given["exec"] = ({"call": calls, "row": float(measured.rows)}, measured.exec_seconds)
    recorded = cost.recorded()
    for amounts, seconds in given.values():
        factors = {_factor_name(part, cost.kind): amount * recorded[part] for part, amount in amounts.items()}
        general = rates.with_rates({name: rates.rates.get(name, Rate(1.0)) for name in factors})
        changed.update(learn(general, factors, seconds))
        if not cost.key:
            continue
        changed.update(_learn_own(cost, rates, amounts, seconds))
    return changed


def _learn_own(cost: StageCost, rates: HostRates, amounts: Mapping[str, float], seconds: float) -> dict[str, Rate]:
    """Return the stage's own rates; the first measurement is taken as it is, later ones move them."""
    names = {part: _own(part, cost.key) for part in amounts}
    work = {names[part]: amount for part, amount in amounts.items()}
    known = {name: rates.rates[name] for name in names.values() if name in rates.rates}
    if known:
        return learn(HostRates(known), work, seconds)
    recorded = cost.recorded()
    first = HostRates(
        {names[part]: Rate(max(recorded[part] * _factor(rates, part, cost.kind), _LEAST_SECONDS)) for part in amounts}
    )
    factor = seconds / first.seconds(work) if first.seconds(work) > 0 else 0.0
    if factor <= 0:
        return {}
    return {
        name: Rate(rate.seconds * (factor if work[name] else 1.0), 1.0 if work[name] else 0.0)
        for name, rate in first.rates.items()
    }


def _own(part: str, key: str) -> str:
    return f"stage.{part}.{key}"


def _factor_name(part: str, kind: Kind) -> str:
    return f"recorded.{part}.{kind}"


def _factor(rates: HostRates, part: str, kind: Kind) -> float:
    found = rates.rates.get(_factor_name(part, kind))
    return 1.0 if found is None else found.seconds
