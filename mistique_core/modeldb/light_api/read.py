"""Read a Light API file, or the same as Python values, and check what it says (thesis Listing 4.4)."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mistique_core.errors import NotFoundError, did_you_mean
from mistique_core.modeldb.light_api.plain_json import plain_json
from mistique_core.modeldb.light_api.structure import check_structure, known_keys
from mistique_core.modeldb.light_api.text import MAX_JSON_CHARACTERS, LightFileError, read_text
from mistique_core.modeldb.light_api.values import Dataset, LightFile, Metric, Model
from mistique_core.workflows.specification.document import Document, read_source
from mistique_core.workflows.specification.problem import Path as Place

ONLY = "default"
"""Tag of a dataset that has none, where it is the only one."""


def read_light_file(source: str | os.PathLike[str] | Mapping[str, Any]) -> LightFile:
    """Return what a YAML or JSON file says, or a mapping of the same form.

    Raises
    ------
    NotFoundError
        If there is no such file.
    LightFileError
        If it cannot be used; the message lists every problem with its line.
    InvalidInputError
        If a mapping holds values that JSON lacks.
    """
    if isinstance(source, Mapping):
        return light_file_of(Document("the run", plain_json(source), error=LightFileError))
    file = Path(source)
    try:
        text = read_source(file, LightFileError, MAX_JSON_CHARACTERS)
    except OSError as error:
        raise NotFoundError(f"file {str(file)!r} cannot be read: {error.strerror or error}") from error
    return light_file_of(read_text(text, str(file)))


def light_file_of(document: Document) -> LightFile:
    """Return what a document says.

    Raises
    ------
    LightFileError
        If it cannot be used.
    """
    check_structure(document)
    document.check()
    value: Mapping[str, Any] = document.value
    if ("MODEL" in value) == ("MODELS" in value):
        both = "both MODEL and MODELS are there; put all models into MODELS"
        document.report((), both if "MODEL" in value else "the key MODEL is missing; describe what was fitted")
        document.check()
    datasets = _datasets(document)
    tags = [item.tag for item in datasets]
    if "MODEL" in value:
        models = [_model(document, ("MODEL",), value["MODEL"], tags)]
    else:
        models = [_model(document, ("MODELS", n), item, tags) for n, item in enumerate(value["MODELS"])]
    document.check()
    return LightFile(
        tuple(datasets),
        tuple(models),
        project=value.get("PROJECT"),
        experiment=value.get("EXPERIMENT"),
        description=value.get("DESCRIPTION"),
        code_version=value.get("CODE_VERSION"),
        extra=_extra(value, ""),
    )


def _extra(entry: Mapping[str, Any], kind: str) -> dict[str, Any]:
    known = known_keys(kind)
    return {name: item for name, item in entry.items() if name not in known}


def _datasets(document: Document) -> list[Dataset]:
    entries = document.value.get("DATASETS") or []
    made: list[Dataset] = []
    lines: dict[str, int] = {}
    for position, entry in enumerate(entries):
        path: Place = ("DATASETS", position)
        metadata = entry.get("METADATA") or {}
        tag, inner = entry.get("TAG"), metadata.get("TAG")
        if tag is not None and inner is not None and tag != inner:
            document.report((*path, "TAG"), f"the tag is {tag!r} here and {inner!r} in METADATA; keep one of them")
        tag = tag or inner or (ONLY if len(entries) == 1 else None)
        if tag is None:
            document.report((*path, "TAG"), "this key is missing; each of several datasets needs one", at=path)
            continue
        if tag in lines:
            document.report((*path, "TAG"), f"the dataset in line {lines[tag]} is tagged {tag!r} too; rename one")
        lines[tag] = document.line(path)
        made.append(Dataset(entry["FILENAME"], metadata, tag, _extra(entry, "dataset")))
    return made


def _model(document: Document, path: Place, entry: Mapping[str, Any], tags: list[str]) -> Model:
    tag = entry.get("TAG")
    if tag is not None:
        _check_tag(document, (*path, "TAG"), tag, tags)
    elif len(tags) > 1:
        document.report((*path, "TAG"), f"this key is missing; name the dataset: {', '.join(tags)}", at=path)
    return Model(
        entry["TYPE"],
        entry["NAME"],
        entry.get("PATH", ""),
        tag or (tags[0] if len(tags) == 1 else ""),
        entry["CONFIG"] or {},
        _metrics(document, (*path, "METRICS"), entry.get("METRICS") or [], tag or "", tags),
        _extra(entry, "model"),
    )


def _metrics(
    document: Document, path: Place, entries: list[Mapping[str, Any]], model_tag: str, tags: list[str]
) -> tuple[Metric, ...]:
    made: list[Metric] = []
    seen: dict[tuple[str, str], int] = {}
    for position, entry in enumerate(entries):
        here = (*path, position)
        key = "DATASET" if "DATASET" in entry else "TAG"
        tag = entry.get(key, "")
        if "DATASET" in entry and "TAG" in entry:
            document.report((*here, "TAG"), "DATASET and TAG say the same; remove one")
        if tag:
            _check_tag(document, (*here, key), tag, tags)
        elif model_tag:
            tag = model_tag
        elif len(tags) == 1:
            tag = tags[0]
        name, value = entry["TYPE"], _finite(entry["VALUE"])
        if value is None:
            document.report((*here, "VALUE"), "this is no finite number; write one")
            continue
        if (name, tag) in seen:
            document.report(here, f"line {seen[name, tag]} gives {name!r} on the same data; remove one")
        seen[name, tag] = document.line(here)
        made.append(Metric(name, value, tag, _extra(entry, "metric")))
    return tuple(made)


def _check_tag(document: Document, path: Place, tag: str, tags: list[str]) -> None:
    if tag not in tags:
        hint = did_you_mean(tag, tags) if tags else "there are no DATASETS"
        document.report(path, f"no dataset is tagged {tag!r}; {hint}")


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
