"""What the page is about: an intermediate of a model version that the user may see, and what its values are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mistique_core.catalogue.image_intermediates import CHANNELS, image_intermediate
from mistique_core.catalogue.intermediates import IntermediateRecord, columns_of, intermediate_by_id
from mistique_core.errors import InvalidInputError
from mistique_core.frames import LogicalType

if TYPE_CHECKING:
    import sqlalchemy as sa

    from mistique_ui.interactive.viewer import Viewer

MOST_ID = 2**31 - 1


@dataclass(frozen=True)
class Subject:
    """An intermediate.

    Attributes
    ----------
    record
        Its row.
    names
        Its columns.
    is_layer
        Whether its columns are units.
    map_shape
        (height, width) of the values of a unit; empty where they are numbers.
    """

    record: IntermediateRecord
    names: tuple[str, ...]
    is_layer: bool
    map_shape: tuple[int, ...]

    @property
    def key(self) -> str:
        """``project.model@version.intermediate``."""
        ref = self.record.ref
        return f"{ref.project}.{ref.model}@{ref.version}.{ref.intermediate}"

    @property
    def is_images(self) -> bool:
        """Whether it can be shown as images, such as the input of a network."""
        return len(self.map_shape) == 2 and len(self.names) in CHANNELS

    def column(self, name: Any) -> str:
        """Return the name of one of its columns; raises where a browser sent another text."""
        if not isinstance(name, str) or name not in self.names:
            raise InvalidInputError(f"column {str(name)[:80]!r} is not in {self.key}; choose one of the list")
        return name


def find_subject(viewer: Viewer, intermediate: Any) -> Subject:
    """Return an intermediate by its id.

    Raises
    ------
    InvalidInputError
        If it is no id.
    NotFoundError
        If there is no such intermediate.
    HTTPException
        403, if the user may not see its model version.
    """
    if not isinstance(intermediate, int) or isinstance(intermediate, bool) or not 0 < intermediate <= MOST_ID:
        raise InvalidInputError(f"intermediate={str(intermediate)[:40]!r} is none; choose one of the list")
    with viewer.catalogue.read() as connection:
        record = intermediate_by_id(connection, intermediate)
        viewer.may.see("version", [record.model_version_id])
        return _subject(connection, record)


def images_beside(viewer: Viewer, version_id: int) -> Subject | None:
    """Return the images of a model version that the user may see, such as a network's input; ``None`` without any."""
    with viewer.catalogue.read() as connection:
        record = image_intermediate(connection, version_id)
        return None if record is None else _subject(connection, record)


def _subject(connection: sa.Connection, record: IntermediateRecord) -> Subject:
    columns = columns_of(connection, record.ref.id)
    names = tuple(column.name for column in columns)
    shape = LogicalType.from_json(columns[0].logical_type).map_shape if columns else ()
    return Subject(record, names, bool(columns) and columns[0].unit is not None, tuple(shape))
