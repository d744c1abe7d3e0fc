"""A catalogue of the first released schema keeps every answer when it is brought to the present one."""

import numpy as np
import pandas as pd
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from mistique_core.catalogue.database import Catalogue
from mistique_core.catalogue.intermediates import columns_of
from mistique_core.catalogue.layouts import live_versions, unpack_versions
from mistique_core.catalogue.migrate import ensure_schema
from mistique_core.catalogue.tables import intermediate, layout

FRAMES = {1: ["b", "a", "ünï"], 2: ["b", "a", "ünï"], 3: [], 4: ["ünï", "b", "a"]}


def first_schema(catalogue: Catalogue) -> None:
    """Make a catalogue as version 0.1.0 left it, with four intermediates."""
    config = Config()
    config.set_main_option("script_location", "mistique_core/catalogue/migrations")
    with catalogue.write() as connection:
        config.attributes.update(connection=connection, version_table="mistique_schema")
        command.upgrade(config, "0001")
        old = sa.MetaData()
        old.reflect(connection)

        def insert(table: str, /, **values: object) -> None:
            connection.execute(sa.insert(old.tables[table]).values(**values))

        insert("project", id=1, name="p", created_at=0.0)
        insert("model", id=1, project_id=1, name="m", created_at=0.0)
        insert("experiment_run", id=1, source="python", dag_id="d", run_id="r", state="success")
        insert("model_version", id=1, model_id=1, number=1, run_id=1, created_at=0.0)
        for version in range(1, 6):
            insert(
                "column_version",
                id=version,
                address=bytes([version]) * 32,
                logical_type='{"dtype":"<f8","kind":"numeric"}',
                n_rows=9,
                block_rows=4,
                logical_bytes=72,
            )
        for number, names in FRAMES.items():
            insert(
                "intermediate",
                id=number,
                model_version_id=1,
                name=f"x{number}",
                attempt=1,
                output="",
                address=bytes([100 + number]) * 32,
                n_rows=9,
                row_id_version=5,
                logical_bytes=72 * len(names),
                stored_bytes=10,
                scheme="lossless",
                created_at=1.0,
            )
            for position, name in enumerate(names):
                version = 1 + (number * position) % 3
                insert(
                    "intermediate_column",
                    intermediate_id=number,
                    position=position,
                    name=name,
                    column_version_id=version,
                )


def test_columns_survive(catalogue_url: str) -> None:
    """Names, order and column versions are those of the old rows; equal names are stored once."""
    catalogue = Catalogue(catalogue_url)
    first_schema(catalogue)
    with catalogue.read() as connection:
        old = pd.read_sql(sa.text("SELECT * FROM intermediate_column"), connection)
    ensure_schema(catalogue)
    with catalogue.read() as connection:
        assert not sa.inspect(connection).has_table("intermediate_column")
        for number, names in FRAMES.items():
            rows = old[old["intermediate_id"] == number].sort_values("position")
            found = columns_of(connection, number)
            assert [column.name for column in found] == names == rows["name"].tolist()
            assert [column.version.id for column in found] == rows["column_version_id"].tolist()
            assert all(column.version.address == bytes([column.version.id]) * 32 for column in found)
            packed = connection.scalar(sa.select(intermediate.c.columns).where(intermediate.c.id == number))
            assert unpack_versions(bytes(packed)).tolist() == rows["column_version_id"].tolist()
        assert connection.scalar(sa.select(sa.func.count()).select_from(layout)) == 3
        assert np.array_equal(live_versions(connection), sorted({*old["column_version_id"], 5}))
    catalogue.close()
