"""What is exported is what was logged, as pyarrow and MLCommons' own reader see it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from mistique_core import Mistique
from mistique_core.errors import InvalidInputError, NotFoundError, StorageError
from mistique_core.exports.croissant import CroissantExport, export_croissant, field_id
from tests.unit.exports.conftest import MAPS, TABLE

TYPES = {
    "row_id": "cr:Int64",
    "price": "cr:Float64",
    "half": "cr:Float16",
    "step": "cr:Int64",
    "small": "cr:Int16",
    "byte": "cr:UInt8",
    "rooms": "cr:Int32",
    "new": "sc:Boolean",
    "maybe": "sc:Boolean",
    "kind": "sc:Text",
    "city: old/new [a]": "sc:Text",
    "when": "sc:DateTime",
    "there": "sc:DateTime",
    "took": "cr:Int64",
}


def exported(home: Path, key: str, folder: Path, **options: Any) -> tuple[CroissantExport, dict[str, Any]]:
    with Mistique.open(home) as store:
        made = export_croissant(store, key, folder, **options)
    return made, json.loads(made.document.read_text())


def test_the_document_says_what_the_file_holds(home: Path, tmp_path: Path) -> None:
    """Checksum and size by hashlib and the file system, types of all columns, what is left out."""
    made, document = exported(home, "p.m.x", tmp_path / "new" / "folder", license="CC-BY-4.0")
    (resource,) = document["distribution"]
    content = (made.document.parent / resource["contentUrl"]).read_bytes()
    assert resource["sha256"] == hashlib.sha256(content).hexdigest()
    assert resource["contentSize"] == f"{len(content)} B"
    (records,) = document["recordSet"]
    assert {field["name"]: field["dataType"] for field in records["field"]} == TYPES
    assert pq.read_schema(made.data.path).names == list(TYPES)
    assert made.left_out == ("wave",)
    assert "wave" in document["description"]
    assert document["license"] == "CC-BY-4.0"
    assert document["name"] == "p.m@1.x"
    assert sorted(path.name for path in made.document.parent.iterdir()) == ["croissant.json", "data.parquet"]


def test_the_parquet_file_holds_the_rows(home: Path, tmp_path: Path) -> None:
    """In stored order, missing values as null; pandas reads it without any help of ours."""
    made, _ = exported(home, "p.m.x", tmp_path)
    read = pd.read_parquet(made.data.path).set_index("row_id").astype({"maybe": "boolean"})
    expected = TABLE.drop(columns="wave").assign(took=TABLE["took"].astype("i8"), kind=TABLE["kind"].astype("str"))
    pd.testing.assert_frame_equal(read, expected, check_dtype=False)


def test_row_groups_are_bounded(home: Path, tmp_path: Path) -> None:
    """A table of three row blocks is one row group; memory holds one of them."""
    made, _ = exported(home, "p.m.x", tmp_path)
    assert pq.ParquetFile(made.data.path).num_row_groups == 1


def test_maps_are_arrays_with_their_shape(home: Path, tmp_path: Path) -> None:
    made, document = exported(home, "p.m.conv", tmp_path)
    fields = document["recordSet"][0]["field"]
    assert [field.get("arrayShape") for field in fields] == [None, "3,4", "3,4"]
    assert all(field["isArray"] for field in fields[1:])
    table = pq.read_table(made.data.path)
    np.testing.assert_array_equal(np.array(table["1"].to_pylist(), dtype="f4"), MAPS[..., 1])


def test_where_the_rows_come_from(home: Path, tmp_path: Path) -> None:
    """Stage, inputs, code and run, in the words of PROV."""
    _, document = exported(home, "homes.linear.parts_test", tmp_path)
    (source,) = document["prov:wasDerivedFrom"]
    assert source["prov:label"] == "homes.linear@1.source"
    activity = document["prov:wasGeneratedBy"]
    assert activity["prov:label"] == "parts"
    facts = {fact["name"]: fact["value"] for fact in activity["additionalProperty"]}
    with Mistique.open(home) as store:
        table = store.intermediates("homes", "linear")
    assert set(table["intermediate"]) == {"source", "parts_train", "parts_test"}
    assert (facts["project"], facts["model"], facts["model version"], facts["stage"]) == ("homes", "linear", 1, "parts")
    assert len(facts["code hash"]) == 64
    assert json.loads(facts["parameters"])["test_size"] == 0.5
    assert facts["run name"] == "homes.linear"


def test_a_column_and_a_lossy_scheme(home: Path, tmp_path: Path) -> None:
    """Only that column; the bound of the error is stated."""
    _, document = exported(home, "p.m.coarse.1", tmp_path)
    fields = document["recordSet"][0]["field"]
    assert [field["name"] for field in fields] == ["row_id", "1"]
    assert "lossy" in fields[1]["description"]


def test_errors_name_the_remedy(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotFoundError, match=r"has no column 'prise'.*price"):
        exported(home, "p.m.x.prise", tmp_path)
    with pytest.raises(StorageError, match="choose another"):
        exported(home, "p.m.x", tmp_path / "file")
    with pytest.raises(InvalidInputError, match="SPDX"):
        exported(home, "p.m.x", tmp_path, license=" ")


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def test_mlcommons_reads_the_same_values(home: Path, tmp_path: Path) -> None:
    """Without an error or a warning; every record is the row that was logged."""
    mlcroissant = pytest.importorskip("mlcroissant")
    made, _ = exported(home, "p.m.x", tmp_path, license="CC-BY-4.0")
    dataset = mlcroissant.Dataset(jsonld=made.document)
    assert (set(dataset.metadata.ctx.issues.errors), set(dataset.metadata.ctx.issues.warnings)) == (set(), set())
    records = list(dataset.records("records"))
    expected = TABLE.assign(took=TABLE["took"].astype("i8"))
    for record, (row_id, row) in zip(records, expected.iterrows(), strict=True):
        assert record[field_id("row_id")] == row_id
        for name in TYPES:
            if name != "row_id":
                value = _plain(record[field_id(name)])
                assert value == row[name] or (value is None and pd.isna(row[name])), (row_id, name)


def test_mlcommons_reads_maps(home: Path, tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    made, _ = exported(home, "p.m.conv", tmp_path, license="CC-BY-4.0")
    dataset = mlcroissant.Dataset(jsonld=made.document)
    assert set(dataset.metadata.ctx.issues.warnings) == set()
    records = list(dataset.records("records"))
    ids = [record[field_id("row_id")] for record in records]
    values = np.array([record[field_id("0")] for record in records], dtype="f4")
    np.testing.assert_array_equal(values, MAPS[ids][..., 0])
