"""What one model gets right and another one wrong (thesis Table 5.1, few columns, many rows)."""

from __future__ import annotations

from collections.abc import Sequence

from mistique_core.diagnostics.checked import checked
from mistique_core.diagnostics.companions import with_companions
from mistique_core.diagnostics.images import images_of
from mistique_core.diagnostics.reading import Key, RowIds, Where, read_columns
from mistique_core.diagnostics.result import DiagnosticResult
from mistique_core.diagnostics.values.difference import differences
from mistique_core.diagnostics.wording import of_all, short_names
from mistique_core.errors import InvalidInputError
from mistique_core.model import IntermediateKey
from mistique_core.planner import Strategy
from mistique_core.store import Mistique


@checked
def mispredicted(
    store: Mistique,
    truth: Key,
    prediction_a: Key,
    prediction_b: Key,
    *,
    tolerance: float = 0.0,
    columns: Key | Sequence[Key] = (),
    row_id: RowIds | None = None,
    where: Where = (),
    strategy: Strategy = "auto",
) -> DiagnosticResult:
    """Return the examples that the first prediction gets right and the second one wrong.

    Only row ids that all hold are compared, without those whose truth is missing. A missing prediction is wrong.

    Parameters
    ----------
    store
        An open store.
    truth
        Key of the column of what is true.
    prediction_a, prediction_b
        Keys of the predictions.
    tolerance
        Largest absolute error of a number that still counts as right (inclusive).
    columns
        Keys of further columns to show for these examples.
    row_id, where
        Only these row ids; only rows for which predicates hold.
    strategy
        ``auto``, ``read`` or ``rerun``.

    Returns
    -------
    DiagnosticResult
        One row an example: truth, both predictions; numbers by descending error of the second one, else by row id.
        ``facts`` counts all four cases.

    Raises
    ------
    InvalidInputError
        If an argument is malformed, or two of the keys are the same.
    NotFoundError
        If a key or a row id does not exist.
    """
    keys = [IntermediateKey.parse(key) for key in (truth, prediction_a, prediction_b)]
    if len(set(keys)) < len(keys):
        raise InvalidInputError(
            f"mispredicted got {', '.join(map(str, keys))}; name a truth and two different predictions"
        )
    found = read_columns(store, keys, row_id=row_id, where=where, strategy=strategy)
    labels = [found.label(key) for key in keys]
    frame = found.frame.sort_index()
    known = frame[labels[0]].notna().to_numpy(dtype=bool)
    missing = int((~known).sum())
    frame = frame[known]
    (wrong_a, _), (wrong_b, error_b) = (differences(frame[labels[0]], frame[name], tolerance) for name in labels[1:])
    chosen = (~wrong_a & wrong_b).to_numpy(dtype=bool)
    if error_b is None:
        shown = frame[chosen]
    else:
        order = error_b[chosen].sort_values(ascending=False, kind="stable").index
        shown = frame.loc[order]
    names = short_names(keys[1:])
    shown, plan = with_companions(store, shown[labels], columns, found.plan, strategy)
    facts = {
        "compared_rows": len(frame),
        "missing_rows": missing,
        "only_a_right_rows": int(chosen.sum()),
        "only_b_right_rows": int((wrong_a & ~wrong_b).sum()),
        "both_right_rows": int((~wrong_a & ~wrong_b).sum()),
        "both_wrong_rows": int((wrong_a & wrong_b).sum()),
        "names": names,
    }
    sentence = (
        f"{names[0]} is right and {names[1]} wrong for {of_all(len(shown), len(frame))}; "
        f"the other way round for {facts['only_b_right_rows']:,}."
    )
    return DiagnosticResult(
        "mispredicted",
        shown,
        sentence,
        plan,
        facts,
        max_abs_error=found.max_abs_error,
        image_reader=images_of(store, [prediction_b, prediction_a, truth]),
    )
