"""The three CSV files of the competition, written from generated tables under the names that Kaggle gives them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mistique_core.errors import InvalidInputError, StorageError
from mistique_core.workflows.zillow.facts import ALL_HOMES
from mistique_core.workflows.zillow.homes import properties, sales, submission

FILES = {
    "properties": "properties_2016.csv",
    "train": "train_2016_v2.csv",
    "test": "sample_submission.csv",
}
"""Table -> name of its file."""
_ROWS_AT_ONCE = 50_000

Progress = Callable[[int, int], None]


def write_files(
    folder: str | os.PathLike[str], rows: int, seed: int = 7, progress: Progress = lambda _done, _total: None
) -> dict[str, Path]:
    """Write generated tables as CSV files.

    Parameters
    ----------
    folder
        Where; made where it does not exist. Files of the same names are replaced, each when it is complete.
    rows
        Homes, 1 to 2,985,217 (the original's number).
    seed
        Seed of the homes; the sales take the next one.
    progress
        Told the rows written so far, and of how many.

    Returns
    -------
    dict
        Table -> path.

    Raises
    ------
    InvalidInputError
        If `rows` is out of range.
    StorageError
        If a file cannot be written.
    """
    if not 1 <= rows <= ALL_HOMES:
        raise InvalidInputError(f"rows={rows} is no number of homes; give 1 to {ALL_HOMES:,}")
    homes = properties(rows, seed)
    tables = {"properties": homes, "train": sales(homes, seed + 1), "test": submission(homes)}
    total = sum(map(len, tables.values()))
    done = 0
    place = Path(folder).expanduser()
    paths = {}
    for table, frame in tables.items():
        paths[table] = place / FILES[table]
        try:
            place.mkdir(parents=True, exist_ok=True)
            _write(frame, paths[table], _Part(progress, done, total))
        except OSError as error:
            raise StorageError(f"cannot write {str(paths[table])!r}: {error}; choose another folder") from error
        done += len(frame)
    return paths


@dataclass(frozen=True)
class _Part:
    """Progress within one of several files."""

    progress: Progress
    before: int
    total: int

    def __call__(self, rows: int) -> None:
        self.progress(self.before + rows, self.total)


def _write(frame: pd.DataFrame, path: Path, progress: _Part) -> None:
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        for start in range(0, len(frame), _ROWS_AT_ONCE):
            frame.iloc[start : start + _ROWS_AT_ONCE].to_csv(file, index=False, header=start == 0)
            progress(min(start + _ROWS_AT_ONCE, len(frame)))
    unfinished.replace(path)
