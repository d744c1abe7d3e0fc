"""The migrations make exactly the schema that the code declares, on both databases."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from mistique_core.catalogue import Catalogue, ensure_schema
from mistique_core.catalogue.tables import metadata


def test_migrated_schema_equals_the_declared_tables(catalogue_url: str) -> None:
    """No difference in tables, columns, types, keys or indexes; a second call changes nothing."""
    catalogue = Catalogue(catalogue_url)
    ensure_schema(catalogue)
    ensure_schema(catalogue)
    options = {"version_table": "mistique_schema", "compare_type": True, "compare_server_default": True}
    with catalogue.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
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
