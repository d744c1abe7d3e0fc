"""References that travel between stages in place of data (Airflow: through XCom)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from mistique_core.errors import InvalidInputError
from mistique_core.model.key import IntermediateKey


@dataclass(frozen=True)
class IntermediateRef:
    """A committed intermediate of one model version.

    Attributes
    ----------
    project, model, version, intermediate
        Its address; `version` counts from 1.
    rows
        Number of rows.
    id
        Its row in the catalogue: unlike the address, unique even after a retry.
    """

    project: str
    model: str
    version: int
    intermediate: str
    rows: int
    id: int

    kind: ClassVar[str] = "intermediate"

    @property
    def key(self) -> IntermediateKey:
        """Key of all columns of this very version."""
        return IntermediateKey(self.project, self.model, self.intermediate, version=self.version)

    def to_json(self) -> dict[str, Any]:
        """Return the reference as plain JSON values."""
        return {"mistique_ref": self.kind, **asdict(self)}


@dataclass(frozen=True)
class FittedRef:
    """A stored fitted transformer or model.

    Attributes
    ----------
    project, model, version, name
        The model version that fitted it and the output's name.
    type_name
        Import path of its class, for people.
    id
        Its row in the catalogue.
    """

    project: str
    model: str
    version: int
    name: str
    type_name: str
    id: int

    kind: ClassVar[str] = "fitted"

    def to_json(self) -> dict[str, Any]:
        """Return the reference as plain JSON values."""
        return {"mistique_ref": self.kind, **asdict(self)}


Ref = IntermediateRef | FittedRef


def ref_from_json(value: Mapping[str, Any]) -> Ref:
    """Rebuild a reference from :meth:`IntermediateRef.to_json` or :meth:`FittedRef.to_json`.

    Raises
    ------
    InvalidInputError
        If `value` is not such a mapping.
    """
    fields = dict(value)
    kind = fields.pop("mistique_ref", None)
    for cls in (IntermediateRef, FittedRef):
        if kind == cls.kind:
            try:
                return cls(**fields)
            except TypeError as error:
                raise InvalidInputError(f"reference {value!r} has wrong fields: {error}") from error
    raise InvalidInputError(f"{value!r} is not a reference to an intermediate or a fitted object")


def find_refs(value: Any, path: str) -> Iterator[tuple[str, Ref]]:
    """Yield every reference inside nested dicts, lists and tuples with the path that leads to it."""
    if isinstance(value, (IntermediateRef, FittedRef)):
        yield path, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from find_refs(item, f"{path}.{name}")
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            yield from find_refs(item, f"{path}.{position}")
