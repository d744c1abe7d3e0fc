"""Alembic's entry point: runs inside the transaction that :mod:`mistique_core.catalogue.migrate` opened."""

from alembic import context

from mistique_core.catalogue.modeldb_tables import metadata

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    target_metadata=metadata,
    version_table=attributes["version_table"],
    transactional_ddl=False,
    render_as_batch=True,
)
context.run_migrations()
