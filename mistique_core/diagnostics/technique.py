"""What is known of a technique without running it: what it answers, and which parameters it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from mistique_core.diagnostics.parameter import Parameter, Value
from mistique_core.errors import InvalidInputError, did_you_mean

Category = Literal["FCFR", "FCMR", "MCFR", "MCMR"]


@dataclass(frozen=True)
class Technique:
    """A technique of thesis Tables 5.1 and 5.2.

    Attributes
    ----------
    name
        Name of its function in :mod:`mistique_core.diagnostics`.
    title
        Name for people.
    question
        What it answers, as a question of one line.
    category
        How much data it touches: few or many columns, few or many rows.
    parameters
        In the order of the function's signature.
    """

    name: str
    title: str
    question: str
    category: Category
    parameters: tuple[Parameter, ...]

    def parameter(self, name: str) -> Parameter:
        """Return a parameter by name.

        Raises
        ------
        InvalidInputError
            If there is none.
        """
        for item in self.parameters:
            if item.name == name:
                return item
        known = [item.name for item in self.parameters]
        raise InvalidInputError(f"{self.name} has no parameter {name!r}; {did_you_mean(name, known, shown=len(known))}")

    def check(self, parameters: Mapping[str, Any]) -> dict[str, Value]:
        """Return the arguments of the function; nothing is read.

        Parameters
        ----------
        parameters
            JSON values by name. ``None``, an empty text and an empty list stand for the default: a form sends them for
            what nobody filled in.

        Raises
        ------
        InvalidInputError
            If a parameter is unknown, missing, of the wrong type or out of bounds.
        """
        given = {name: value for name, value in parameters.items() if not _is_empty(value)}
        for name in given:
            self.parameter(name)
        for item in self.parameters:
            if item.required and item.name not in given:
                raise InvalidInputError(f"{self.name} needs {item.name!r}; fill it in: {item.help}")
        try:
            return {name: self.parameter(name).check(value) for name, value in given.items()}
        except InvalidInputError as error:
            raise InvalidInputError(f"{self.name}: {error}") from None

    @property
    def json_schema(self) -> dict[str, Any]:
        """JSON schema (draft 2020-12) of the parameters; `null` stands for a default."""
        return {
            "title": self.title,
            "description": self.question,
            "type": "object",
            "properties": {item.name: item.json_schema for item in self.parameters},
            "required": [item.name for item in self.parameters if item.required],
            "additionalProperties": False,
        }


def one_form(techniques: Iterable[Technique]) -> dict[str, dict[str, Any]]:
    """Return JSON schemas by name for a form that serves several techniques at once.

    Every parameter may be ``null``, which stands for the default, and none has another default: what one technique
    takes by default, another one might not know. The description says what it means to which technique.
    """
    users: dict[str, list[tuple[Technique, Parameter]]] = {}
    for technique in techniques:
        for item in technique.parameters:
            users.setdefault(item.name, []).append((technique, item))
    return {name: _shared_schema(of) for name, of in users.items()}


def _shared_schema(users: list[tuple[Technique, Parameter]]) -> dict[str, Any]:
    items = [item for _, item in users]
    widest = next((item for item in items if item.is_list), items[0])
    schema = {**replace(widest, required=False).json_schema, "default": None}
    if widest.choices:
        schema["enum"] = [*dict.fromkeys(choice for item in items for choice in item.choices), None]
    meanings: dict[str, list[str]] = {}
    for technique, item in users:
        meanings.setdefault(item.help, []).append(technique.name)
    told = [f"{', '.join(names)}: {meaning}" for meaning, names in meanings.items()]
    schema["description"] = " ".join(told) if len(told) > 1 else widest.help
    return schema


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | tuple) and len(value) == 0)
