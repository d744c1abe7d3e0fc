"""An old catalogue is brought to this schema whole or not at all, whatever fails."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from mistique_core.catalogue import migrate
from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.intermediates import columns_of
from mistique_core.catalogue.migrate import HEAD, ensure_schema
from mistique_core.errors import MistiqueError
from tests.faults.injection import Points, commits, database_error, statements
from tests.sweeps import tried_points

NAMES = {1: ["b", "a", "ünï"], 2: ["b", "a", "ünï"], 3: ["one"]}
ROW_IDS = 5


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a catalogue of the first released schema with three intermediates."""
    path = tmp_path_factory.mktemp("old") / "catalogue.db"
    catalogue = Catalogue(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    with catalogue.write() as connection:
        config.attributes.update(connection=connection, version_table="mistique_schema")
        command.upgrade(config, "0001")
        tables = sa.MetaData()
        tables.reflect(connection)

        def insert(table: str, /, **values: object) -> None:
            connection.execute(sa.insert(tables.tables[table]).values(**values))

        insert("project", id=1, name="p", created_at=0.0)
        insert("model", id=1, project_id=1, name="m", created_at=0.0)
        insert("experiment_run", id=1, source="python", dag_id="d", run_id="r", state="success")
        insert("model_version", id=1, model_id=1, number=1, run_id=1, created_at=0.0)
        sizes = {"n_rows": 9, "logical_bytes": 72}
        for version in range(1, ROW_IDS + 1):
            kind = '{"dtype":"<f8","kind":"numeric"}'
            insert(
                "column_version", id=version, address=bytes([version]) * 32, logical_type=kind, block_rows=4, **sizes
            )
        for number, names in NAMES.items():
            shared = {"model_version_id": 1, "attempt": 1, "output": "", "scheme": "lossless", "created_at": 1.0}
            address = bytes([100 + number]) * 32
            insert(
                "intermediate",
                **{"id": number, "name": f"x{number}", "address": address, "row_id_version": ROW_IDS},
                **{"stored_bytes": 1, **shared, **sizes},
            )
            for position, name in enumerate(names):
                place = {"intermediate_id": number, "position": position, "name": name}
                insert("intermediate_column", **place, column_version_id=1 + (number + position) % 4)
    catalogue.close()
    return path


def schema(catalogue: Catalogue) -> tuple[str, set[str]]:
    with catalogue.read() as connection:
        version = connection.execute(sa.text("SELECT version_num FROM mistique_schema")).scalar_one()
        return str(version), set(sa.inspect(connection).get_table_names())


INJECTIONS: dict[str, Callable[[Points], AbstractContextManager[None]]] = {
    "statement": lambda points: statements(points, every_table=True),
    "commit": commits,
    "committed": lambda points: commits(points, before=False, after=True),
}


@pytest.mark.parametrize("injection", INJECTIONS)
def test_the_kth_call_fails(injection: str, old: Path, memory_path: Path) -> None:
    schemas = {}
    for k in tried_points():
        path = memory_path / f"{k}.db"
        shutil.copy(old, path)
        points = Points(k, database_error("database or disk is full"))
        catalogue = Catalogue(f"sqlite:///{path}")
        failed = False
        try:
            with INJECTIONS[injection](points):
                ensure_schema(catalogue)
        except MistiqueError:
            failed = True
        assert failed == points.is_reached
        version, tables = schema(catalogue)
        assert schemas.setdefault(version, tables) == tables
        ensure_schema(catalogue)
        version, tables = schema(catalogue)
        assert version == HEAD
        assert schemas.setdefault(version, tables) == tables
        with catalogue.read() as connection:
            for number, names in NAMES.items():
                found = columns_of(connection, number)
                assert [column.name for column in found] == names
                assert [column.version.id for column in found] == [1 + (number + i) % 4 for i in range(len(names))]
        catalogue.close()
        if not points.is_reached:
            break
    assert k > 1
    assert set(schemas) <= {"0001", HEAD}
