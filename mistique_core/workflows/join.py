"""Join the columns of one frame to the rows of another."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.errors import InvalidInputError
from mistique_core.model import Need, Stage, StageResult
from mistique_core.workflows.column_views import view_columns, with_columns
from mistique_core.workflows.inputs import require_column, require_frame

LEFT, RIGHT = "left", "right"
_STATE = "join"
_HOW = ("left", "inner")


class JoinStage(Stage):
    """Add columns of the input ``right`` to the rows of the input ``left``, whose row ids and order stay.

    The right side must have each key once. A row without a partner gets missing values with ``left`` and is left out
    with ``inner``. As in pandas, integers of the right side become floats, and booleans objects, if a row has no
    partner; whether one had none is remembered, so that a few rows come out with the dtypes of all.

    Parameters
    ----------
    on
        Key column of both sides; ``None`` joins by row id.
    how
        ``left`` or ``inner``.
    columns
        Columns of the right side to add; default all but `on`.
    suffix
        Added to the name of a right column that the left side has too; without one that is an error.
    """

    outputs = ("",)
    learns = (_STATE,)

    def __init__(
        self,
        on: str | None = None,
        how: str = "left",
        columns: Sequence[str] | None = None,
        suffix: str | None = None,
    ) -> None:
        if how not in _HOW:
            raise InvalidInputError(f"how={how!r} is no kind of join; pass 'left' or 'inner'")
        self.on = on
        self.how = how
        self.columns = None if columns is None else list(columns)
        self.suffix = suffix

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {"on": self.on, "how": self.how, "columns": self.columns, "suffix": self.suffix}

    def needs(self, output: str, inputs: Collection[str]) -> Mapping[str, Need]:
        """See :class:`Stage`: by row id, both sides' rows; by a key, any row of the right side may be the partner."""
        partner = Need.ROWS if self.on is None else Need.WHOLE
        return {name: partner if name == RIGHT else Need.ROWS for name in inputs}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Return the joined frame.

        Raises
        ------
        InvalidInputError
            If an input or a column is missing, a key of the right side repeats, or names clash.
        """
        if set(inputs) != {LEFT, RIGHT}:
            raise InvalidInputError(f"join takes the inputs 'left' and 'right' but got: {', '.join(inputs) or 'none'}")
        left, right = require_frame(inputs[LEFT], LEFT), require_frame(inputs[RIGHT], RIGHT)
        right = view_columns(right, self._added(right), "joined") if self.on is None else right
        names = self._names(left, self._added(right))
        places = self._places(left, right)
        found = places >= 0
        state = {"has_gaps": not bool(found.all())} if learned is None else dict(learned[_STATE])
        if self.how == "inner" and not found.all():
            left, places = left[found], places[found]
        gaps = state["has_gaps"] and self.how == "left"
        if self.on is None and not gaps and left.index.equals(right.index):
            frame = _beside(left, right.rename(columns=names) if names else right)
        else:
            taken = {names.get(name, name): _taken(right[name], places, gaps) for name in self._added(right)}
            frame = with_columns(left, taken, what="join")
        return StageResult(frames={"": frame}, fitted={_STATE: state})

    def _added(self, right: pd.DataFrame) -> list[str]:
        if self.columns is not None:
            return self.columns
        return [str(name) for name in right.columns if name != self.on]

    def _names(self, left: pd.DataFrame, added: Sequence[str]) -> dict[str, str]:
        """Return right column -> its name in the result, where that is another."""
        clashing = [name for name in added if name in left.columns]
        if clashing and self.suffix is None:
            raise InvalidInputError(
                f"both sides of the join have a column {clashing[0]!r}; pass a suffix, or columns= without it"
            )
        names = {name: f"{name}{self.suffix}" for name in clashing}
        for name in names.values():
            if name in left.columns or name in added:
                raise InvalidInputError(f"the join would give the column {name!r} twice; pass another suffix")
        return names

    def _places(self, left: pd.DataFrame, right: pd.DataFrame) -> npt.NDArray[np.intp]:
        """Return where the partner of each left row stands in the right side; -1 for none."""
        if self.on is None:
            return right.index.get_indexer(left.index)
        keys = pd.Index(require_column(right, self.on, "key"))
        if not keys.is_unique:
            again = keys[keys.duplicated()].tolist()[0]
            raise InvalidInputError(
                f"key {again!r} occurs more than once in column {self.on!r} of the right side; "
                "drop the duplicates before the join"
            )
        wanted = require_column(left, self.on, "key")
        places = keys.get_indexer(pd.Index(wanted))
        return np.where(wanted.isna().to_numpy(dtype=bool), -1, places)


def _beside(left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    """Return both frames' columns, left before right; those of the right side stay where they are."""
    joined = right.copy(deep=False)
    for name in left.columns:
        joined[name] = left[name].set_axis(right.index)
    return view_columns(joined, [*map(str, left.columns), *map(str, right.columns)], "joined")


def _taken(column: pd.Series[Any], places: npt.NDArray[np.intp], gaps: bool) -> Any:
    """Return the values at `places`, missing at -1; with `gaps` in the dtype that has room for missing values."""
    if not gaps:
        return column.take(places).array
    # One more row without a partner decides the dtype, whether or not these rows have one.
    with_gap = pd.api.extensions.take(column.array, np.append(places, -1), allow_fill=True)
    return with_gap[:-1]
