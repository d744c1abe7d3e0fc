"""One intermediate of a query: what is asked for, how it is obtained, and what a re-run has made of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from mistique_core.catalogue.facts import TargetFacts
from mistique_core.catalogue.intermediates import ColumnRecord, IntermediateRecord
from mistique_core.engine.rerun_tally import RerunTally
from mistique_core.engine.units_rerun import RerunUnits
from mistique_core.frames import LogicalType
from mistique_core.planner import TargetPlan


@dataclass
class QueryTarget:
    """One intermediate of a query, with the columns that are asked for.

    Attributes
    ----------
    record, facts
        The intermediate, and what plans about it depend on.
    wanted
        (label in the answer, column name), in order.
    met_before
        Whether an earlier query of this process has looked up what is known about it.
    plan
        How it is obtained; ``None`` until that is planned.
    rerun_frame, rerun_units
        What a re-run has made: a table, or units of a layer.
    took
        What the re-run took.
    """

    record: IntermediateRecord
    facts: TargetFacts
    wanted: dict[tuple[str, str], None]
    met_before: bool = False
    plan: TargetPlan | None = None
    rerun_frame: pd.DataFrame | None = None
    rerun_units: RerunUnits | None = None
    took: RerunTally | None = None

    @property
    def is_rerun(self) -> bool:
        """Whether its values come from a re-run."""
        return self.rerun_frame is not None or self.rerun_units is not None

    @property
    def known(self) -> Mapping[str, ColumnRecord]:
        """Its columns by name."""
        return self.facts.columns


def has_maps(targets: Sequence[QueryTarget]) -> bool:
    """Whether any of the values that are asked for are maps."""
    return any(
        LogicalType.from_json(target.known[name].logical_type).map_shape
        for target in targets
        for _, name in target.wanted
    )


def error_bound(targets: Sequence[QueryTarget]) -> float:
    """Return the largest error bound of what was read; what was re-run is exact.

    Nobody knows how far off values are that were computed from lossy copies.
    """
    bounds = [
        math.inf if target.facts.origin else target.known[name].max_abs_error
        for target in targets
        if not target.is_rerun
        for _, name in target.wanted
    ]
    return max(bounds, default=0.0)


def origin_of(targets: Sequence[QueryTarget]) -> dict[str, str]:
    """Return the lossy copies that what was read had been computed from."""
    return {name: scheme for target in targets if not target.is_rerun for name, scheme in target.facts.origin.items()}
