"""The catalogue's tables: ModelDB's entities and MISTIQUE's intermediates, joined.

Times are Unix seconds (UTC). Content addresses are 32 bytes. Rows of the storage half
(``partition``, ``chunk``, ``column_version``, ``column_chunk``) are shared by everything that has
the same content; rows of the other half say who referred to it.

An intermediate's columns take no row each: their names are a ``layout``, shared by all intermediates
with the same names, and their column versions are packed into ``intermediate.columns``
(:mod:`mistique_core.catalogue.layouts`). What else ModelDB records is in
:mod:`mistique_core.catalogue.modeldb_tables`.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")

setting = Table(
    "setting",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", String(200), nullable=False),
)

partition = Table(
    "partition",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(80), nullable=False, unique=True),
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
)

chunk = Table(
    "chunk",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address", LargeBinary, nullable=False, unique=True),
    Column("dtype", String(8), nullable=False),
    Column("shape", JSON, nullable=False),
    Column("encoding", String(16), nullable=False),
    Column("stored_bytes", BigInteger, nullable=False),
    Column("partition_id", ForeignKey("partition.id"), nullable=False, index=True),
    Column("byte_offset", BigInteger, nullable=False),
    Column("codec", Text),
    Column("pages", LargeBinary),
    Column("low", LargeBinary),
    Column("high", LargeBinary),
    Column("nulls", Integer),
    Column("base_id", ForeignKey("chunk.id"), index=True),
)

similar_band = Table(
    "similar_band",
    metadata,
    Column("key", BigInteger, primary_key=True),
    Column("chunk_id", ForeignKey("chunk.id"), primary_key=True, index=True),
    sqlite_with_rowid=False,
)

deleted_partition = Table(
    "deleted_partition",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("deleted_at", Float, nullable=False),
)

open_write = Table(
    "open_write",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("host", String(200), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("beat_at", Float, nullable=False),
)

column_version = Table(
    "column_version",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address", LargeBinary, nullable=False, unique=True),
    Column("logical_type", Text, nullable=False),
    Column("n_rows", BigInteger, nullable=False),
    Column("block_rows", BigInteger, nullable=False),
    Column("logical_bytes", BigInteger, nullable=False),
    Column("categories_id", ForeignKey("column_version.id"), index=True),
    Column("scheme", Text),
    Column("max_abs_error", Float),
)

column_chunk = Table(
    "column_chunk",
    metadata,
    Column("column_version_id", ForeignKey("column_version.id"), primary_key=True),
    Column("part", String(8), primary_key=True),
    Column("block", Integer, primary_key=True),
    Column("chunk_id", ForeignKey("chunk.id"), nullable=False, index=True),
    sqlite_with_rowid=False,
)

project = Table(
    "project",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("author", String(200)),
    Column("description", Text),
    Column("metadata", JSON),
)

model = Table(
    "model",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("project_id", "name"),
)

experiment = Table(
    "experiment",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("project.id"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("description", Text),
    Column("metadata", JSON),
    UniqueConstraint("project_id", "name"),
)

experiment_run = Table(
    "experiment_run",
    metadata,
    Column("id", Id, primary_key=True),
    Column("experiment_id", ForeignKey("experiment.id")),
    Column("source", String(32), nullable=False),
    Column("dag_id", String(250), nullable=False),
    Column("run_id", String(250), nullable=False),
    Column("run_type", String(32)),
    Column("dag_version", String(64)),
    Column("conf", JSON),
    Column("params", JSON),
    Column("environment", JSON),
    Column("state", String(16), nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("error", Text),
    Column("author", String(200)),
    Column("description", Text),
    Column("code_version", String(200)),
    Column("metadata", JSON),
    UniqueConstraint("source", "dag_id", "run_id"),
    Index("ix_experiment_run_started_at", "started_at"),
)

model_version = Table(
    "model_version",
    metadata,
    Column("id", Id, primary_key=True),
    Column("model_id", ForeignKey("model.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("run_id", ForeignKey("experiment_run.id"), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("budget_bytes", BigInteger),
    Column("life_stage", String(16)),
    UniqueConstraint("model_id", "number"),
    UniqueConstraint("model_id", "run_id"),
)

stage = Table(
    "stage",
    metadata,
    Column("id", Id, primary_key=True),
    Column("model_version_id", ForeignKey("model_version.id"), nullable=False),
    Column("name", String(250), nullable=False),
    Column("task_id", String(250)),
    Column("map_index", Integer, nullable=False),
    Column("try_number", Integer, nullable=False),
    Column("operator", String(250), nullable=False),
    Column("label", String(100), nullable=False),
    Column("params", JSON, nullable=False),
    Column("code_hash", String(64)),
    Column("libraries", JSON),
    Column("fingerprint", String(64), index=True),
    Column("deterministic", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reused_from", ForeignKey("stage.id"), index=True),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("load_seconds", Float),
    Column("transformer_seconds", Float),
    Column("exec_seconds", Float),
    Column("store_seconds", Float),
    Column("error", Text),
    Column("needs", JSON),
    Column("call_seconds", Float),
    Column("kind", String(24)),
    Column("parent_id", ForeignKey("stage.id"), index=True),
    Column("facts", JSON),
    Column("tag", String(200)),
    UniqueConstraint("model_version_id", "name", "map_index", "try_number"),
)

capture = Table(
    "capture",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(64), nullable=False),
    Column("model_version_id", ForeignKey("model_version.id"), nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("beat_at", Float, nullable=False),
    UniqueConstraint("model_version_id", "key"),
    sqlite_autoincrement=True,  # whoever still writes for a capture that has ended must not find another one
)

capture_block = Table(
    "capture_block",
    metadata,
    Column("capture_id", ForeignKey("capture.id"), primary_key=True),
    Column("block", Integer, primary_key=True),
    Column("document", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

layout = Table(
    "layout",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address", LargeBinary, nullable=False, unique=True),
    Column("n_columns", Integer, nullable=False),
    Column("names", LargeBinary, nullable=False),
)

intermediate = Table(
    "intermediate",
    metadata,
    Column("id", Id, primary_key=True),
    Column("model_version_id", ForeignKey("model_version.id"), nullable=False),
    Column("name", String(250), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("stage_id", ForeignKey("stage.id"), index=True),
    Column("output", String(200), nullable=False),
    Column("address", LargeBinary, nullable=False, index=True),
    Column("n_rows", BigInteger, nullable=False),
    Column("row_id_version", ForeignKey("column_version.id"), nullable=False, index=True),
    Column("logical_bytes", BigInteger, nullable=False),
    Column("stored_bytes", BigInteger, nullable=False),
    Column("scheme", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("layout_id", ForeignKey("layout.id"), index=True),
    Column("columns", LargeBinary),
    Column("unstored", LargeBinary),
    Column("rerun_equal", Boolean),
    UniqueConstraint("model_version_id", "name", "attempt"),
)

fitted = Table(
    "fitted",
    metadata,
    Column("id", Id, primary_key=True),
    Column("model_version_id", ForeignKey("model_version.id"), nullable=False),
    Column("stage_id", ForeignKey("stage.id"), nullable=False, index=True),
    Column("output", String(200), nullable=False),
    Column("format", String(32), nullable=False),
    Column("type_name", String(250), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("chunk_id", ForeignKey("chunk.id"), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("stage_id", "output"),
)

query = Table(
    "query",
    metadata,
    Column("id", Id, primary_key=True),
    Column("created_at", Float, nullable=False),
    Column("dag_id", String(250)),
    Column("run_id", String(250)),
    Column("technique", String(64), nullable=False),
    Column("request", JSON, nullable=False),
    Column("plan", Text),
    Column("strategy", String(16)),
    Column("answer", JSON),
    Column("seconds", Float),
    Column("error", Text),
    Index("ix_query_dag_id_run_id", "dag_id", "run_id"),
)

query_figure = Table(
    "query_figure",
    metadata,
    Column("query_id", ForeignKey("query.id"), primary_key=True),
    Column("document", LargeBinary, nullable=False),
)

intermediate_use = Table(
    "intermediate_use",
    metadata,
    Column("intermediate_id", ForeignKey("intermediate.id"), primary_key=True),
    Column("n_query", Integer, nullable=False),
    Column("columns", LargeBinary),
)

cost_rate = Table(
    "cost_rate",
    metadata,
    Column("host", String(200), primary_key=True),
    Column("term", String(120), primary_key=True),
    Column("seconds", Float, nullable=False),
    Column("samples", Float, nullable=False),
)
