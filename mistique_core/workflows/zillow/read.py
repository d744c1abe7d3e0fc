"""The stage that reads one of the competition's tables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from blake3 import blake3

from mistique_core.errors import InvalidInputError, NotFoundError, did_you_mean
from mistique_core.frames import ROW_ID
from mistique_core.model import Stage, StageResult
from mistique_core.workflows.zillow.files import FILES
from mistique_core.workflows.zillow.homes import properties, sales, submission

FOLDER_VARIABLE = "MISTIQUE_ZILLOW_DIR"
_PARCEL = {"properties": "parcelid", "train": "parcelid", "test": "ParcelId"}


class ReadZillowStage(Stage):
    """Read ``properties_2016.csv``, ``train_2016_v2.csv`` or ``sample_submission.csv``, or generate its like.

    The files are looked for in the folder ``$MISTIQUE_ZILLOW_DIR``. Where that is not set, the table is generated.
    The row id of every table is the home's parcel, so that all of them align; `properties` keeps it as a column too.
    Of a home that was sold twice the last sale counts.

    Parameters
    ----------
    table
        ``properties``, ``train`` or ``test``.
    rows
        Homes to generate.
    seed
        Seed of the generator; the same seed and number of rows give tables that fit together.
    """

    is_source = True
    outputs = ("",)

    def __init__(self, table: str, rows: int = 300_000, seed: int = 7) -> None:
        if table not in FILES:
            raise InvalidInputError(f"table {table!r} is none of the competition's; {did_you_mean(table, FILES)}")
        self.table = table
        self.rows = rows
        self.seed = seed

    def params(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        return {"table": self.table, "rows": self.rows, "seed": self.seed}

    def identity(self) -> dict[str, Any]:
        """See :class:`Stage`: a file counts by its content."""
        return {"table": self.table}

    def external_state(self) -> Mapping[str, Any]:
        """Return the content address of the file, or what decides what is generated."""
        path = self._path()
        if path is None:
            return {"rows": self.rows, "seed": self.seed}
        return {"content": blake3(max_threads=blake3.AUTO).update_mmap(path).hexdigest()}

    def execute(self, inputs: Mapping[str, Any], learned: Mapping[str, Any] | None = None) -> StageResult:
        """Return the table, index ``row_id``."""
        path = self._path()
        frame = self._generated() if path is None else pd.read_csv(path, dtype=_TEXT)
        index = pd.Index(frame[_PARCEL[self.table]], name=ROW_ID)
        frame = (frame if self.table == "properties" else frame.drop(columns=_PARCEL[self.table])).set_axis(index)
        return StageResult(frames={"": frame[~index.duplicated(keep="last")] if index.has_duplicates else frame})

    def _generated(self) -> pd.DataFrame:
        homes = properties(self.rows, self.seed, strings="str")
        if self.table == "properties":
            return homes
        return sales(homes, self.seed + 1) if self.table == "train" else submission(homes)

    def _path(self) -> Path | None:
        folder = os.environ.get(FOLDER_VARIABLE)
        if not folder:
            return None
        path = Path(folder).expanduser() / FILES[self.table]
        if not path.is_file():
            raise NotFoundError(
                f"${FOLDER_VARIABLE} ({folder}) has no {FILES[self.table]}; put the competition's files there, make "
                "them with 'mistique zillow generate', or unset it"
            )
        return path


# Columns of which most values are missing, and numbers among them would else be guessed from a part of the file.
_TEXT = {
    "hashottuborspa": "str",
    "propertycountylandusecode": "str",
    "propertyzoningdesc": "str",
    "fireplaceflag": "str",
    "taxdelinquencyflag": "str",
}
