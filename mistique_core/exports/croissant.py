"""An intermediate as a data set in Croissant: a description in JSON-LD, and beside it the rows as Parquet.

The format is Croissant 1.1 of MLCommons, which knows arrays; where the rows come from is said in the words of W3C's
PROV, which Croissant 1.1 takes up.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mistique_core.errors import InvalidInputError, StorageError
from mistique_core.exports.description import ColumnDescription, Description, describe
from mistique_core.exports.parquet import ParquetFile, write_parquet
from mistique_core.exports.provenance import provenance, time_text
from mistique_core.frames import ROW_ID
from mistique_core.frames.arrow import require_pyarrow
from mistique_core.model import IntermediateKey
from mistique_core.store import Mistique

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
DOCUMENT = "croissant.json"
DATA = "data.parquet"
RECORDS = "records"
"""Id of the record set; the id of a field is ``records/`` and the name of its column, percent-encoded."""

_PARQUET = "application/x-parquet"
_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


@dataclass(frozen=True)
class CroissantExport:
    """What was written.

    Attributes
    ----------
    document
        The description.
    data
        The rows.
    left_out
        Columns that Parquet has no type for.
    """

    document: Path
    data: ParquetFile
    left_out: tuple[str, ...]


def export_croissant(
    store: Mistique,
    key: str | IntermediateKey,
    folder: str | os.PathLike[str],
    *,
    license: str | None = None,
    cite_as: str | None = None,
) -> CroissantExport:
    """Write ``croissant.json`` and ``data.parquet`` of an intermediate into a folder.

    Earlier files of these names are replaced, the description last. Complex numbers are left out, and named in the
    description; memory holds a row block and a row group of the file.

    Parameters
    ----------
    store
        Where the rows are.
    key
        ``project.model[@version].intermediate``, or the key of one column.
    folder
        Made where it does not exist.
    license
        URL or SPDX name of the licence of the data, which the store cannot know; Croissant recommends one.
    cite_as
        How to cite the data; default an entry of BibTeX with the key and the content address.

    Raises
    ------
    InvalidInputError
        If pyarrow is not installed.
    NotFoundError
        If there is no such intermediate or column.
    NotMaterializedError
        As :meth:`Mistique.stream`.
    UnsupportedColumnError
        If a column holds text that is no Unicode.
    StorageError
        If a file cannot be written.
    """
    require_pyarrow("Croissant")
    described = describe(store, key)
    left_out = tuple(column.name for column in described.columns if column.type.startswith("complex"))
    columns = [column for column in described.columns if column.name not in left_out]
    exact = IntermediateKey(described.project, described.model, described.intermediate, version=described.version)
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot make the folder {str(target)!r}: {error.strerror or error}; choose another one"
        ) from error
    data = write_parquet(store.stream(exact, [column.name for column in columns]), target / DATA)
    document = croissant_document(
        described, columns, data, left_out=left_out, license=license, cite_as=cite_as, published=datetime.now(UTC)
    )
    path = target / DOCUMENT
    unfinished = path.with_name(f".{DOCUMENT}.{os.getpid()}")
    try:
        unfinished.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {str(path)!r}: {error.strerror or error}; choose another folder") from error
    return CroissantExport(path, data, left_out)


def croissant_document(
    described: Description,
    columns: Sequence[ColumnDescription],
    data: ParquetFile,
    *,
    published: datetime,
    left_out: Sequence[str] = (),
    license: str | None = None,
    cite_as: str | None = None,
) -> dict[str, Any]:
    """Return the description as a JSON-LD document.

    Parameters
    ----------
    described
        The intermediate.
    columns
        Those of its columns that the file has.
    data
        The file.
    published
        When it was written.
    left_out, license, cite_as
        See :func:`export_croissant`.
    """
    if license is not None and not license.strip():
        raise InvalidInputError(f"license {license!r} is empty; give a URL or an SPDX name, or leave it out")
    document: dict[str, Any] = {
        "@context": dict(_CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": described.key,
        "description": _about(described, left_out),
        "version": f"{described.version}.0.0",
        "dateCreated": time_text(described.created_at),
        "datePublished": published.strftime("%Y-%m-%d"),
        "citeAs": cite_as or _citation(described),
        "url": f"urn:mistique:{quote(described.key, safe='')}",
    }
    if license is not None:
        document["license"] = license
    if described.run.author:
        document["creator"] = {"@type": "sc:Person", "name": described.run.author}
    document["distribution"] = [
        {
            "@type": "cr:FileObject",
            "@id": DATA,
            "name": DATA,
            "description": f"{data.rows} rows of {described.key}.",
            "contentUrl": DATA,
            "contentSize": f"{data.bytes} B",
            "encodingFormat": _PARQUET,
            "sha256": data.sha256,
        }
    ]
    types = {field.name: field.type for field in data.schema}
    fields = [_field(ROW_ID, types[ROW_ID], "Identifies the example across all intermediates of the project.")]
    fields += [_field(column.name, types[column.name], _about_column(column)) for column in columns]
    document["recordSet"] = [
        {
            "@type": "cr:RecordSet",
            "@id": RECORDS,
            "name": RECORDS,
            "description": f"One record a row of {described.key}.",
            "key": {"@id": f"{RECORDS}/{ROW_ID}"},
            "field": fields,
        }
    ]
    return document | provenance(described)


def field_id(column: str) -> str:
    """Return the id of the field that holds a column."""
    return f"{RECORDS}/{quote(column, safe='')}"


def _field(name: str, kind: Any, about: str) -> dict[str, Any]:
    shape, value = _shape(kind)
    made: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": field_id(name),
        "name": name,
        "description": about,
        "dataType": _data_type(value),
        "source": {"fileObject": {"@id": DATA}, "extract": {"column": name}},
    }
    if shape:
        made |= {"isArray": True, "arrayShape": ",".join(map(str, shape))}
    return made


def _shape(kind: Any) -> tuple[tuple[int, ...], Any]:
    import pyarrow as pa

    shape: list[int] = []
    while pa.types.is_fixed_size_list(kind):
        shape.append(kind.list_size)
        kind = kind.value_type
    return tuple(shape), kind


def _data_type(kind: Any) -> str:
    import pyarrow as pa

    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_timestamp(kind):
        return "sc:DateTime"
    if pa.types.is_integer(kind):
        return f"cr:{'U' if pa.types.is_unsigned_integer(kind) else ''}Int{kind.bit_width}"
    if pa.types.is_floating(kind):
        return f"cr:Float{kind.bit_width}"
    return "sc:Text"


def _about(described: Description, left_out: Sequence[str]) -> str:
    sentences = [
        f"The intermediate {described.intermediate} of version {described.version} of the model {described.model} in "
        f"the project {described.project}: {described.rows} rows and {len(described.columns)} columns.",
        f"Its row ids identify examples across all intermediates of the project. Its content address is "
        f"{described.address}.",
    ]
    stage = described.stage
    if stage is None:
        sentences.append("It was logged without a stage.")
    else:
        taken = f", from {', '.join(stage.inputs.values())}" if stage.inputs else ""
        sentences.append(f"The stage {stage.name} ({stage.label}) made it{taken}.")
    if left_out:
        sentences.append(f"Left out, because Parquet has no type for complex numbers: {', '.join(left_out)}.")
    return " ".join(sentences)


def _about_column(column: ColumnDescription) -> str:
    text = f"Logged as {column.type}; missing values, NaN included, are null."
    if column.type.startswith("timedelta"):
        text += f" A duration, as an integer in the unit of {column.type}."
    if column.map_shape:
        text += f" Each value is a map of shape {' x '.join(map(str, column.map_shape))}."
    if column.scheme is not None:
        text += f" Stored by a lossy scheme; no value differs by more than {column.max_abs_error:g}."
    return text


def _citation(described: Description) -> str:
    name = "".join(letter if letter.isalnum() else "_" for letter in described.key)
    year = datetime.fromtimestamp(described.created_at, UTC).year
    return f"@misc{{{name}, title={{{described.key}}}, year={{{year}}}, note={{content address {described.address}}}}}"
