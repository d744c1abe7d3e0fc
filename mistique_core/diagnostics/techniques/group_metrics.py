"""Performance by group: for whom are predictions good or bad? (thesis Table 5.1, few columns, many rows)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from mistique_core.diagnostics.checked import checked
from mistique_core.diagnostics.reading import Key, RowIds, Table, Where, read_columns
from mistique_core.diagnostics.result import DiagnosticResult, as_json
from mistique_core.diagnostics.values.groups import Groups, everything, groups_of, sorted_codes
from mistique_core.diagnostics.values.performance import classification, log_loss, regression
from mistique_core.diagnostics.wording import listed, number, short_names
from mistique_core.errors import InvalidInputError
from mistique_core.frames import ROW_ID
from mistique_core.model import IntermediateKey
from mistique_core.planner import Strategy
from mistique_core.store import Mistique

_FEW_CLASSES = 20
_ALL = "all"


@checked
def group_metrics(
    store: Mistique,
    truth: Key,
    predictions: Key | Sequence[Key],
    *,
    group: Key | None = None,
    bins: int = 4,
    probabilities: Key | Sequence[Key] = (),
    positive: str | float | bool | None = None,
    task: str = "auto",
    row_id: RowIds | None = None,
    where: Where = (),
    strategy: Strategy = "auto",
) -> DiagnosticResult:
    """Return how good one or several predictions are, for each group of rows.

    Amounts: mean error (prediction minus truth), mean absolute error, root mean squared error. Classes: accuracy, and
    precision, recall and F1 of the positive class if there are two, else averages over the classes (macro); a share
    of nothing is NaN. Rows without truth or without one of the predictions are left out, so that all predictions are
    compared on the same rows.

    Parameters
    ----------
    store
        An open store.
    truth
        Key of the column of what is true.
    predictions
        Keys of one prediction a model.
    group
        Key of a column whose values form the groups. Missing values are a group.
    bins
        Numbers with more than 20 different values are grouped by so many quantiles.
    probabilities
        Keys of columns of probabilities, for the logarithmic loss of a single prediction: one column for the
        probability of the positive class, or one for each class in sorted order. Rows without one are left out of the
        loss.
    positive
        The positive class of two; default 1 of 0 and 1, else the one that sorts last.
    task
        ``classification`` or ``regression``; ``auto`` takes numbers with fractions, or with more than 20 different
        values, for amounts.
    row_id, where
        Only these row ids; only rows for which predicates hold.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Returns
    -------
    DiagnosticResult
        One row a group and prediction. ``facts["all"]`` has the same over all rows; ``arrays["row_id"]`` the rows.

    Raises
    ------
    InvalidInputError
        If an argument is malformed, amounts are no numbers, or probabilities do not fit the classes.
    NotFoundError
        If a key or a row id does not exist.
    """
    true_key = IntermediateKey.parse(truth)
    predicted, shares = _parsed(predictions), _parsed(probabilities)
    if shares and len(predicted) > 1:
        raise InvalidInputError(
            f"probabilities belong to one prediction, but group_metrics got {len(predicted)}; ask for each by itself"
        )
    keys = [true_key, *predicted, *shares, *([] if group is None else [IntermediateKey.parse(group)])]
    found = read_columns(store, keys, row_id=row_id, where=where, strategy=strategy)
    rows = len(found.frame)
    complete = found.frame[[found.label(key) for key in (true_key, *predicted)]].notna().all(axis=1)
    found = replace(found, frame=found.frame[complete.to_numpy(dtype=bool)])
    groups = everything(len(found.frame), _ALL) if group is None else groups_of(found.column(keys[-1]), bins)
    kind = _task(found, true_key, predicted) if task == "auto" else task
    names = short_names(predicted)
    if kind == "regression":
        parts = [_amounts(found, true_key, key, groups) for key in predicted]
    else:
        parts = [_classes(found, true_key, key, groups, shares, positive) for key in predicted]
    table = pd.concat([part.assign(prediction=name) for name, (part, _) in zip(names, parts, strict=True)])
    table = table.drop(columns="prediction") if len(predicted) == 1 else _by_group(table, groups)
    overall = {name: whole for name, (_, whole) in zip(names, parts, strict=True)}
    facts = {
        "task": kind,
        "all": overall,
        "compared_rows": len(found.frame),
        "missing_rows": rows - len(found.frame),
        "group": None if group is None else keys[-1].column,
        "metric": "rmse" if kind == "regression" else "accuracy",
    }
    ids = found.frame.index.to_numpy(dtype=np.int64)
    return DiagnosticResult(
        "group_metrics",
        table,
        _sentence(table, facts),
        found.plan,
        facts,
        {ROW_ID: ids},
        max_abs_error=found.max_abs_error,
    )


def _parsed(keys: Key | Sequence[Key]) -> list[IntermediateKey]:
    return [IntermediateKey.parse(key) for key in ([keys] if isinstance(keys, str | IntermediateKey) else keys)]


def _by_group(table: pd.DataFrame, groups: Groups) -> pd.DataFrame:
    """Return the rows of a group side by side, the prediction as first column."""
    order = {name: place for place, name in enumerate(groups.names)}
    places = np.argsort([order[str(name)] for name in table.index], kind="stable")
    table.insert(0, "prediction", table.pop("prediction"))
    return table.iloc[places]


def _task(found: Table, truth: IntermediateKey, predicted: Sequence[IntermediateKey]) -> str:
    columns = [found.column(key) for key in (truth, *predicted)]
    if not all(_is_number(column) for column in columns):
        return "classification"
    fractions = any(bool((column.to_numpy("float64") % 1 != 0).any()) for column in columns if column.dtype.kind == "f")
    return "regression" if fractions or columns[0].nunique() > _FEW_CLASSES else "classification"


def _is_number(column: pd.Series) -> bool:
    return column.dtype.kind in "iuf" and not isinstance(column.dtype, pd.CategoricalDtype)


def _amounts(
    found: Table, truth: IntermediateKey, prediction: IntermediateKey, groups: Groups
) -> tuple[pd.DataFrame, dict[str, object]]:
    for key in (truth, prediction):
        if found.column(key).dtype.kind not in "iufb":
            raise InvalidInputError(f"{key} holds {found.column(key).dtype}, no amounts; use task='classification'")
    sides = [found.column(key).to_numpy("float64") for key in (truth, prediction)]
    whole = regression(sides[0], sides[1], everything(len(sides[0]), _ALL))
    return regression(sides[0], sides[1], groups), _as_facts(whole)


def _classes(
    found: Table,
    truth: IntermediateKey,
    prediction: IntermediateKey,
    groups: Groups,
    shares: Sequence[IntermediateKey],
    positive: str | float | bool | None,
) -> tuple[pd.DataFrame, dict[str, object]]:
    sides = [found.column(key) for key in (truth, prediction)]
    if sides[0].dtype != sides[1].dtype:
        sides = [side.astype(object) for side in sides]
    codes, classes = sorted_codes(pd.concat(sides, ignore_index=True))
    true, guessed = codes[: len(sides[0])], codes[len(sides[0]) :]
    chosen = _positive(classes, positive)
    everyone = everything(len(true), _ALL)
    tables = [classification(true, guessed, by, chosen, len(classes)) for by in (groups, everyone)]
    if shares:
        given = _of_truth(found, shares, true, chosen, len(classes))
        for table, by in zip(tables, (groups, everyone), strict=True):
            table["log_loss"] = log_loss(given, by)
    return tables[0], _as_facts(tables[1])


def _positive(classes: Sequence[object], wanted: str | float | bool | None) -> int | None:
    """Return the place of the positive class; ``None`` if there are more than two."""
    if wanted is not None:
        for place, value in enumerate(classes):
            if value == wanted or str(value) == str(wanted):
                return place
        raise InvalidInputError(f"positive={wanted!r} is not a class; known: {listed([str(item) for item in classes])}")
    if len(classes) > 2 or not classes:
        return None
    return list(classes).index(1) if set(classes) <= {0, 1} and 1 in classes else len(classes) - 1


def _of_truth(
    found: Table, shares: Sequence[IntermediateKey], true: npt.NDArray[np.int64], positive: int | None, classes: int
) -> npt.NDArray[np.float64]:
    """Return the probability that was given to what is true, (rows,)."""
    given = np.column_stack([found.column(key).to_numpy("float64", na_value=np.nan) for key in shares])
    if ((given < 0) | (given > 1)).any():
        raise InvalidInputError(f"{shares[0]} holds values outside 0 to 1; name columns of probabilities")
    if len(shares) == 1 and positive is not None and classes <= 2:
        return np.where(true == positive, given[:, 0], 1 - given[:, 0])
    if len(shares) != classes:
        raise InvalidInputError(
            f"{len(shares)} columns of probabilities do not fit {classes} classes; name one a class, in sorted order"
        )
    return np.asarray(given[np.arange(len(true)), true])


def _as_facts(table: pd.DataFrame) -> dict[str, object]:
    return {str(name): as_json(value) for name, value in table.iloc[0].astype(object).items()}


def _sentence(table: pd.DataFrame, facts: dict[str, object]) -> str:
    metric = str(facts["metric"])
    overall = facts["all"]
    assert isinstance(overall, dict)
    total = "; ".join(f"{metric} of {name} is {_shown(metric, values[metric])}" for name, values in overall.items())
    told = f"Over {facts['compared_rows']:,} rows, {total}"
    known = table.dropna(subset=metric)
    if facts["group"] is None or len(known) < 2:
        return f"{told}."
    ordered = known.sort_values(metric, ascending=metric == "accuracy", kind="stable")
    worst, best = (_extreme(ordered.iloc[[place]], metric) for place in (0, -1))
    return f"{told}; worst for {facts['group']} = {worst}, best for {best}."


def _extreme(row: pd.DataFrame, metric: str) -> str:
    who = f" by {row['prediction'].iloc[0]}" if "prediction" in row else ""
    return f"{row.index[0]}{who} ({_shown(metric, row[metric].iloc[0])})"


def _shown(metric: str, value: object) -> str:
    if value is None:
        return "undefined"
    return f"{float(str(value)):.1%}".replace("%", " %") if metric == "accuracy" else number(float(str(value)))
