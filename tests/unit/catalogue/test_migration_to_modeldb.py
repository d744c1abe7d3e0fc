"""A catalogue of schema 7 keeps its runs when ModelDB's tables come: frames, models, values, and what was taken."""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.migrate import ensure_schema


def schema_seven(catalogue: Catalogue) -> None:
    """Make a catalogue with a run whose stage was tried twice, and the weights of a layer."""
    config = Config()
    config.set_main_option("script_location", "mistique_core/catalogue/migrations")
    with catalogue.write() as connection:
        config.attributes.update(connection=connection, version_table="mistique_schema")
        command.upgrade(config, "0007")
        old = sa.MetaData()
        old.reflect(connection)

        def insert(table: str, **values: object) -> None:
            connection.execute(sa.insert(old.tables[table]).values(**values))

        insert("project", id=1, name="p", created_at=0.0)
        insert("model", id=1, project_id=1, name="m", created_at=0.0)
        insert("experiment_run", id=1, source="airflow", dag_id="d", run_id="r", state="success")
        insert("model_version", id=1, model_id=1, number=1, run_id=1, created_at=0.0)
        insert("partition", id=1, name="x.h5", bytes=1, created_at=0.0)
        chunk = {
            "dtype": "|u1",
            "shape": [1],
            "encoding": "raw",
            "stored_bytes": 1,
            "partition_id": 1,
            "byte_offset": 0,
        }
        insert("chunk", id=1, address=b"c" * 32, **chunk)
        insert("column_version", id=1, address=b"v" * 32, logical_type="{}", n_rows=3, block_rows=3, logical_bytes=24)
        stage = {
            "model_version_id": 1,
            "map_index": -1,
            "operator": "m:S",
            "label": "S",
            "params": {},
            "deterministic": True,
            "state": "success",
            "started_at": 0.0,
        }
        insert("stage", id=1, name="fit", try_number=1, **stage)
        insert("stage", id=2, name="fit", try_number=2, **stage)
        insert("stage", id=3, name="predict", try_number=1, **stage)
        insert(
            "intermediate",
            id=1,
            model_version_id=1,
            name="data",
            attempt=1,
            output="",
            address=b"a" * 32,
            n_rows=3,
            row_id_version=1,
            logical_bytes=24,
            stored_bytes=1,
            scheme="lossless",
            created_at=0.0,
        )
        fitted = {"model_version_id": 1, "bytes": 1, "chunk_id": 1, "created_at": 0.0}
        insert("fitted", id=1, stage_id=2, output="model", format="skops", type_name="sklearn.tree._c.Tree", **fitted)
        insert("fitted", id=2, stage_id=3, output="w", format="weights", type_name="x.LayerWeights", **fitted)
        insert("stage_input", stage_id=2, name="data", intermediate_id=1)
        insert("stage_input", stage_id=3, name="model", fitted_id=1)
        for stage_id, depth, auc in ((1, 3, 0.5), (2, 4, 0.75)):
            insert("hyperparameter", stage_id=stage_id, name="depth", value=depth)
            insert("metric", stage_id=stage_id, name="auc", value=auc, intermediate_id=1)
        for name, value in (("flag", True), ("kernel", "rbf"), ("rate", 0.5), ("none", None), ("list", [1, 2])):
            insert("hyperparameter", stage_id=2, name=name, value=value)


def test_nothing_is_lost(catalogue_url: str) -> None:
    catalogue = Catalogue(catalogue_url)
    schema_seven(catalogue)
    ensure_schema(catalogue)

    def rows(query: str) -> list[tuple[object, ...]]:
        with catalogue.read() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    assert rows("SELECT run_id, stage_id, output, rows, intermediate_id FROM data_frame") == [(1, None, "", 3, 1)]
    assert rows("SELECT run_id, stage_id, output, type_name, fitted_id FROM transformer") == [
        (1, 2, "model", "Tree", 1)
    ]
    assert rows("SELECT stage_id, name, data_frame_id, transformer_id FROM stage_input ORDER BY stage_id") == [
        (2, "data", 1, None),
        (3, "model", None, 1),
    ]
    assert rows(
        "SELECT m.run_id, m.stage_id, n.name, m.value, m.data_frame_id, CAST(m.is_own AS INTEGER) FROM metric m "
        "JOIN value_name n ON n.id = m.name_id ORDER BY m.stage_id"
    ) == [(1, 1, "auc", 0.5, 1, 0), (1, 2, "auc", 0.75, 1, 1)]
    found = rows(
        "SELECT n.name, h.kind, h.number, h.text, CAST(h.is_own AS INTEGER) FROM hyperparameter h "
        "JOIN value_name n ON n.id = h.name_id WHERE h.stage_id = 2 ORDER BY n.name"
    )
    assert found == [
        ("depth", "int", 4.0, "4", 1),
        ("flag", "bool", 1.0, "true", 1),
        ("kernel", "string", None, "rbf", 1),
        ("list", "json", None, None, 1),
        ("none", "json", None, None, 1),
        ("rate", "double", 0.5, "0.5", 1),
    ]
    assert rows("SELECT CAST(is_own AS INTEGER) FROM hyperparameter WHERE stage_id = 1") == [(0,)]
    catalogue.close()
