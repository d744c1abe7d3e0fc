"""What a user hands over as a network's input, as row blocks of equal length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mistique_core.errors import InvalidInputError, did_you_mean
from mistique_core.frames import ROW_ID, check_row_id

Array = npt.NDArray[Any]
InputFunc = Callable[[], Any]


@dataclass(frozen=True)
class InputRows:
    """Some rows of all inputs.

    Attributes
    ----------
    row_ids
        int64 (rows,).
    values
        Input -> array ``(rows, *map_shape, units)``.
    """

    row_ids: npt.NDArray[np.int64]
    values: dict[str, Array]


def is_given_at_once(given: Any, names: Sequence[str]) -> bool:
    """Whether what :func:`read_input` was given is all rows at once, and not an iterable of batches."""
    if isinstance(given, Mapping) or _is_array(given):
        return True
    # One array an input is a batch; a list of arrays for one input are batches.
    several = isinstance(given, (list, tuple)) and len(names) > 1
    return several and len(given) == len(names) and all(_is_array(item) for item in given)


def read_input(input_func: InputFunc, names: Sequence[str], block_rows: int) -> Iterator[InputRows]:
    """Yield the input row block by row block, however long the batches are that it comes in.

    Parameters
    ----------
    input_func
        Returns an array ``(rows, ...)``; several arrays for a network with several inputs, in its order; a mapping of
        inputs to arrays, which may hold ``row_id``; or an iterable of any of these, batch by batch, such as a
        generator or a ``tf.data.Dataset``. Without ``row_id``, rows are numbered from 0.
    names
        The network's inputs, in order.
    block_rows
        Rows of a row block; the last one may have fewer.

    Raises
    ------
    InvalidInputError
        If what it returns is none of these, or lengths differ, or row ids are missing in some batches or are twice.
    """
    held: list[InputRows] = []
    count = 0
    for batch in _batches(input_func(), names):
        held.append(batch)
        count += len(batch.row_ids)
        while count >= block_rows:
            block, held = _split(held, block_rows)
            count -= block_rows
            yield block
    if count:
        yield _split(held, count)[0]


def _batches(given: Any, names: Sequence[str]) -> Iterator[InputRows]:
    """Yield what was given, batch by batch, with row ids."""
    first = 0
    numbered: bool | None = None
    seen: list[npt.NDArray[np.int64]] = []
    is_whole = is_given_at_once(given, names)
    for item in [given] if is_whole else _items(given):
        values, ids = _named(item, names)
        if not is_whole:
            # A generator may hand out one buffer again and again, but blocks are used after it has gone on.
            values = {name: array.copy() for name, array in values.items()}
            ids = None if ids is None else ids.copy()
        rows = len(next(iter(values.values())))
        if numbered is None:
            numbered = ids is None
        if numbered is not (ids is None):
            raise InvalidInputError(
                "input_func gives row ids with some batches and not with others; give them with all"
            )
        if ids is None:
            ids = np.arange(first, first + rows, dtype=np.int64)
        if len(ids) != rows:
            raise InvalidInputError(f"input_func gives {rows} rows with {len(ids)} row ids; give one a row")
        first += rows
        seen.append(ids)
        if rows:
            yield InputRows(ids, values)
    if not first:
        raise InvalidInputError("input_func gives no rows; give at least one")
    check_row_id(np.concatenate(seen), "the rows that input_func gives")


def _items(given: Any) -> Iterator[Any]:
    try:
        return iter(given)
    except TypeError as error:
        raise InvalidInputError(
            f"input_func returned a {type(given).__name__}; return an array (rows, ...), a mapping of inputs to "
            "arrays, or batches of these"
        ) from error


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or (hasattr(value, "__array__") and hasattr(value, "shape"))


def _named(item: Any, names: Sequence[str]) -> tuple[dict[str, Array], npt.NDArray[np.int64] | None]:
    """Return the arrays of one batch by input, and its row ids if it has any."""
    ids = None
    if isinstance(item, Mapping):
        given = dict(item)
        if ROW_ID in given and ROW_ID not in names:
            ids = np.asarray(given.pop(ROW_ID))
            if ids.ndim != 1 or ids.dtype.kind not in "iu":
                raise InvalidInputError(f"row ids of dtype {ids.dtype}, shape {ids.shape}; give one integer a row")
            ids = check_row_id(ids, "the rows that input_func gives")
    elif _is_array(item) or not isinstance(item, (list, tuple)):
        given = {names[0]: item}
    elif len(item) == len(names):
        given = dict(zip(names, item, strict=True))
    else:
        raise InvalidInputError(
            f"input_func gives {len(item)} arrays for {len(names)} inputs; give one each: {', '.join(names)}"
        )
    for name in given:
        if name not in names:
            raise InvalidInputError(f"input_func gives {name!r}, no input of the network; {did_you_mean(name, names)}")
    missing = [name for name in names if name not in given]
    if missing:
        raise InvalidInputError(
            f"input_func gives nothing for the input {missing[0]!r}; the network has {', '.join(names)}"
        )
    values = {name: _array(name, given[name]) for name in names}
    lengths = {len(array) for array in values.values()}
    if len(lengths) > 1:
        raise InvalidInputError(f"input_func gives inputs of different lengths: {sorted(lengths)}; give a row of each")
    return values, ids


def _array(name: str, value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.kind == "b":
        array = array.view(np.uint8)
    if array.ndim < 1 or array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise InvalidInputError(
            f"input {name!r} has dtype {array.dtype} and shape {array.shape}; give numbers of shape (rows, ...)"
        )
    return array[:, None] if array.ndim == 1 else array


def _split(held: list[InputRows], rows: int) -> tuple[InputRows, list[InputRows]]:
    """Return the first rows of some pieces as one, and the rest."""
    names = list(held[0].values)
    ids = np.concatenate([piece.row_ids for piece in held])
    values = {
        name: held[0].values[name] if len(held) == 1 else np.concatenate([piece.values[name] for piece in held])
        for name in names
    }
    first = InputRows(ids[:rows], {name: array[:rows] for name, array in values.items()})
    if len(ids) == rows:
        return first, []
    return first, [InputRows(ids[rows:], {name: array[rows:] for name, array in values.items()})]
