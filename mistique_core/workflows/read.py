"""Stages that read source data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from blake3 import blake3

from mistique_core.errors import InvalidInputError, NotFoundError, did_you_mean
from mistique_core.frames import stream_with_row_ids, with_row_id
from mistique_core.model import Stage, StageResult

_DUPLICATES = ("error", "first", "last")
_BUNDLED = ("breast_cancer", "diabetes", "digits", "iris", "wine")


class ReadCsvStage(Stage):
    """Read a CSV file.

    Parameters
    ----------
    path
        The file. Its content, not its name, decides whether an earlier read is reused.
    row_id
        Column of unique integers that identifies an example; default: rows are numbered from 0.
    options
        Further arguments of :func:`pandas.read_csv`, JSON values only. With ``chunksize`` the file is read and stored
        so many rows at a time, so that it may be larger than memory; ``dtype`` makes sure that all have one type.
    duplicates
        What to do where a value of `row_id` occurs again: ``error``, or keep the ``first`` or the ``last`` such row.
    """

    outputs = ("",)
    is_source = True

    def __init__(
        self,
        path: str,
        row_id: str | None = None,
        options: Mapping[str, Any] | None = None,
        duplicates: str = "error",
    ) -> None:
        if duplicates not in _DUPLICATES:
            raise InvalidInputError(f"duplicates={duplicates!r} is unknown; pass one of {', '.join(_DUPLICATES)}")
        self.path = path
        self.row_id = row_id
        self.options = dict(options or {})
        self.duplicates = duplicates

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {"path": self.path, **self.identity()}

    def identity(self) -> dict[str, Any]:
        """See :class:`Stage`: the file counts by its content, not by its name."""
        kept = {} if self.duplicates == "error" else {"duplicates": self.duplicates}
        return {"row_id": self.row_id, "options": self.options, **kept}

    def external_state(self) -> Mapping[str, Any]:
        """Return the content address of the file."""
        return {"content": blake3(max_threads=blake3.AUTO).update_mmap(self._file()).hexdigest()}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """See :class:`Stage`."""
        if self.options.get("chunksize") is not None:
            if self.duplicates != "error":
                raise InvalidInputError(
                    f"duplicates={self.duplicates!r} needs all rows in memory; leave out the option chunksize"
                )
            return StageResult(streams={"": self._parts(self._file())})
        frame = pd.read_csv(self._file(), **self.options)
        if self.duplicates != "error" and self.row_id in frame.columns:
            frame = frame.drop_duplicates(self.row_id, keep="first" if self.duplicates == "first" else "last")
        return StageResult(frames={"": with_row_id(frame, self.row_id, f"file {self.path}")})

    def _parts(self, path: Path) -> Iterator[pd.DataFrame]:
        """Yield the rows of the file, some at a time."""
        with pd.read_csv(path, **self.options) as reader:
            yield from stream_with_row_ids(reader, self.row_id, f"file {self.path}")

    def _file(self) -> Path:
        path = Path(self.path).expanduser()
        if not path.is_file():
            raise NotFoundError(f"file {str(path)!r} does not exist; give the path of a CSV file")
        return path


class ReadSklearnStage(Stage):
    """Load a dataset that ships inside scikit-learn; needs no download.

    Parameters
    ----------
    dataset
        ``breast_cancer``, ``diabetes``, ``digits``, ``iris`` or ``wine``.
    """

    outputs = ("",)
    is_source = True

    def __init__(self, dataset: str) -> None:
        if dataset not in _BUNDLED:
            raise InvalidInputError(f"scikit-learn ships no dataset {dataset!r}; {did_you_mean(dataset, _BUNDLED)}")
        self.dataset = dataset

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {"dataset": self.dataset}

    def packages(self) -> tuple[str, ...]:
        """See :class:`Stage`."""
        return ("numpy", "pandas", "sklearn")

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Return the features and the column ``target``, rows numbered from 0."""
        from sklearn import datasets

        frame = getattr(datasets, f"load_{self.dataset}")(as_frame=True).frame
        return StageResult(frames={"": with_row_id(frame, None, self.dataset)})
