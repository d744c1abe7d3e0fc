"""The migrations make exactly the schema that the code declares, and so does a new catalogue, on both databases."""

from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from mistique_core.catalogue import Catalogue, ensure_schema
from mistique_core.catalogue.modeldb_tables import metadata


def migrate(catalogue: Catalogue) -> None:
    """Run every migration there is."""
    config = Config()
    config.set_main_option("script_location", "mistique_core/catalogue/migrations")
    with catalogue.write() as connection:
        config.attributes.update(connection=connection, version_table="mistique_schema")
        command.upgrade(config, "head")


def differences(catalogue: Catalogue) -> list[Any]:
    options = {"version_table": "mistique_schema", "compare_type": True, "compare_server_default": True}
    with catalogue.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))


def described(catalogue: Catalogue) -> dict[str, set[str]]:
    """Return table -> all that the database says of it, in no order."""
    found: dict[str, set[str]] = {}
    with catalogue.read() as connection:
        inspector = sa.inspect(connection)
        for table in inspector.get_table_names():
            facts: list[Any] = [inspector.get_pk_constraint(table)]
            for ask in ("columns", "foreign_keys", "unique_constraints", "indexes", "check_constraints"):
                facts += [{"what": ask, **fact} for fact in getattr(inspector, f"get_{ask}")(table)]
            for fact in facts:
                options = fact.get("dialect_options", {})  # the condition of a partial index is an object
                fact["dialect_options"] = {name: str(value) for name, value in options.items()}
            if catalogue.dialect == "sqlite":
                for fact in facts:
                    if fact.get("what") == "foreign_keys":
                        fact["name"] = (
                            None  # SQLite does nothing with it, and SQLAlchemy finds only that of a new table
                        )
                facts += connection.exec_driver_sql("SELECT wr, strict FROM pragma_table_list(?)", (table,)).all()
                text = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).scalar_one()
                facts.append("AUTOINCREMENT" in text)
            found[table] = {repr(fact) for fact in facts}
        version = connection.exec_driver_sql("SELECT version_num FROM mistique_schema").all()
    return {**found, "the version": {repr(version)}}


def test_migrated_schema_equals_the_declared_tables(catalogue_url: str) -> None:
    """No difference in tables, columns, types, keys or indexes; opening it changes nothing."""
    catalogue = Catalogue(catalogue_url)
    migrate(catalogue)
    migrated = described(catalogue)
    assert differences(catalogue) == []
    ensure_schema(catalogue)
    assert described(catalogue) == migrated
    catalogue.close()


def test_a_new_schema_equals_the_migrated_one(catalogue_url: str) -> None:
    """Also in what is not compared with the code: names of keys, and how SQLite stores a table."""
    catalogue = Catalogue(catalogue_url)
    migrate(catalogue)
    migrated = described(catalogue)
    with catalogue.write() as connection:
        metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE mistique_schema")
    ensure_schema(catalogue)
    assert described(catalogue) == migrated
    assert len(migrated) > len(metadata.tables)
    catalogue.close()


def test_transactions_are_whole(catalogue_url: str) -> None:
    """What a failed transaction wrote is gone."""
    catalogue = Catalogue(catalogue_url)
    ensure_schema(catalogue)
    project = metadata.tables["project"]
    try:
        with catalogue.write() as connection:
            connection.execute(project.insert().values(name="half", created_at=0.0))
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    with catalogue.read() as connection:
        assert "half" not in connection.scalars(project.select().with_only_columns(project.c.name)).all()
    catalogue.close()
