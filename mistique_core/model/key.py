"""Keys name what a query asks for: ``project.model[@version].intermediate.column``."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mistique_core.errors import InvalidInputError
from mistique_core.model.names import check_name
from mistique_core.model.whole_number import LARGEST, whole_number

ALL_COLUMNS = "*"
_FORM = "project.model.intermediate.column, with '*' for all columns and model@3 for one version"


@dataclass(frozen=True)
class IntermediateKey:
    """The address of one column, or of all columns, of an intermediate.

    Attributes
    ----------
    project, model, intermediate
        Names without ``. @ *``.
    column
        A column's name (dots allowed), or ``*`` for all columns.
    version
        Number of the model version, from 1; ``None`` means the latest complete one.
    """

    project: str
    model: str
    intermediate: str
    column: str = ALL_COLUMNS
    version: int | None = None

    def __post_init__(self) -> None:
        check_name("project", self.project)
        check_name("model", self.model)
        check_name("intermediate", self.intermediate)
        if not isinstance(self.column, str) or not self.column:
            raise InvalidInputError(f"column {self.column!r} is not a name; give a string, or '*' for all columns")
        if self.version is not None and (not isinstance(self.version, int) or not 1 <= self.version <= LARGEST):
            raise InvalidInputError(f"version {str(self.version)[:40]} is not a number from 1 to {LARGEST}")

    @classmethod
    def parse(cls, text: str | IntermediateKey) -> IntermediateKey:
        """Parse a key; the column may be left out and is then ``*``.

        Raises
        ------
        InvalidInputError
            If `text` does not have the form of a key.

        Examples
        --------
        >>> IntermediateKey.parse("cancer.random_forest@3.scaled.mean radius")
        IntermediateKey(project='cancer', model='random_forest', intermediate='scaled', column='mean radius', version=3)
        """
        if isinstance(text, IntermediateKey):
            return text
        if not isinstance(text, str):
            raise InvalidInputError(f"key {text!r} is not a string; write {_FORM}")
        parts = text.split(".", 3)
        if len(parts) < 3 or not all(parts):
            raise InvalidInputError(f"key {text!r} is incomplete; write {_FORM}")
        model, at, number = parts[1].partition("@")
        version = whole_number(number, 1) if at else None
        if at and version is None:
            raise InvalidInputError(
                f"key {text[:200]!r} has version {number[:40]!r}; give a number from 1, such as {model[:40]}@1"
            )
        return cls(parts[0], model, parts[2], parts[3] if len(parts) == 4 else ALL_COLUMNS, version)

    def with_column(self, column: str) -> IntermediateKey:
        """Return the same address with another column."""
        return replace(self, column=column)

    def __str__(self) -> str:
        version = f"@{self.version}" if self.version is not None else ""
        return f"{self.project}.{self.model}{version}.{self.intermediate}.{self.column}"
