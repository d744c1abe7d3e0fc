"""The tables of ModelDB beside runs and stages: data frames, transformers, values, annotations (thesis 4.4).

A stage is an event. Its hyperparameters, metrics and inputs are rows here; so are the data frames and the
transformers that it took and made, whether or not their content is stored: a data frame knows its intermediate and
a transformer its stored object, where there is one.

What is known about a fitted model is shared by all that are equal (``fit_facts``, by content address), so that a
stage that takes over the output of an earlier one adds no rows to it. Names of metrics and hyperparameters are
numbers, because a run may have thousands.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy import BigInteger as BigInt

from mistique_core.catalogue.tables import Id, metadata

__all__ = [
    "annotation",
    "annotation_fragment",
    "data_frame",
    "feature",
    "fit_facts",
    "frame_schema",
    "history",
    "hyperparameter",
    "life_change",
    "linear_model",
    "linear_term",
    "metadata",
    "metric",
    "stage_input",
    "tag",
    "transformer",
    "tree_model",
    "value_name",
]

value_name = Table(
    "value_name",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
)

frame_schema = Table(
    "frame_schema",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address", LargeBinary, nullable=False, unique=True),
    Column("document", LargeBinary, nullable=False),
)

data_frame = Table(
    "data_frame",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", ForeignKey("experiment_run.id"), nullable=False, index=True),
    Column("stage_id", ForeignKey("stage.id"), index=True),
    Column("output", String(200), nullable=False),
    Column("rows", BigInt),
    Column("schema_id", ForeignKey("frame_schema.id")),
    Column("intermediate_id", ForeignKey("intermediate.id"), index=True),
    Column("tag", String(200)),
    Column("filepath", Text),
    Column("metadata", JSON),
)

fit_facts = Table(
    "fit_facts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address", LargeBinary, nullable=False, unique=True),
    Column("problem_type", String(32), nullable=False),
    Column("label_columns", JSON, nullable=False),
    Column("prediction_columns", JSON, nullable=False),
)

transformer = Table(
    "transformer",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", ForeignKey("experiment_run.id"), nullable=False, index=True),
    Column("stage_id", ForeignKey("stage.id"), index=True),
    Column("output", String(200), nullable=False),
    Column("type_name", String(250), nullable=False, index=True),
    Column("facts_id", ForeignKey("fit_facts.id"), index=True),
    Column("fitted_id", ForeignKey("fitted.id"), index=True),
    Column("tag", String(200)),
    Column("filepath", Text),
    Column("metadata", JSON),
)

stage_input = Table(
    "stage_input",
    metadata,
    Column("stage_id", ForeignKey("stage.id"), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("intermediate_id", ForeignKey("intermediate.id"), index=True),
    Column("fitted_id", ForeignKey("fitted.id"), index=True),
    Column("data_frame_id", ForeignKey("data_frame.id"), index=True),
    Column("transformer_id", ForeignKey("transformer.id"), index=True),
)

hyperparameter = Table(
    "hyperparameter",
    metadata,
    Column("run_id", ForeignKey("experiment_run.id"), primary_key=True),
    Column("name_id", ForeignKey("value_name.id"), primary_key=True),
    Column("stage_id", ForeignKey("stage.id"), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("value", JSON, nullable=False),
    Column("number", Float),
    Column("text", String(200)),
    Column("low", Float),
    Column("high", Float),
    Column("is_own", Boolean, nullable=False),
    Index("ix_hyperparameter_stage_id", "stage_id"),
    Index("ix_hyperparameter_number", "name_id", "number", "run_id"),
    Index("ix_hyperparameter_text", "name_id", "text", "run_id"),
    sqlite_with_rowid=False,
)
"""``number`` and ``text`` are the value again, to search by. ``is_own``: it counts as the run's own value, which those
of a part of an event and those of a try that was tried again do not."""

metric = Table(
    "metric",
    metadata,
    Column("run_id", ForeignKey("experiment_run.id"), primary_key=True),
    Column("name_id", ForeignKey("value_name.id"), primary_key=True),
    Column("stage_id", ForeignKey("stage.id"), primary_key=True),
    Column("value", Float, nullable=False),
    Column("data_frame_id", ForeignKey("data_frame.id")),
    Column("transformer_id", ForeignKey("transformer.id")),
    Column("is_own", Boolean, nullable=False),
    Index("ix_metric_stage_id", "stage_id"),
    Index(
        "ix_metric_value", "name_id", "value", "run_id", sqlite_where=text("is_own"), postgresql_where=text("is_own")
    ),
    sqlite_with_rowid=False,
)

history = Table(
    "history",
    metadata,
    Column("stage_id", ForeignKey("stage.id"), primary_key=True),
    Column("name_id", ForeignKey("value_name.id"), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("value", Float, nullable=False),
    sqlite_with_rowid=False,
)

feature = Table(
    "feature",
    metadata,
    Column("facts_id", ForeignKey("fit_facts.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", String(200), nullable=False, index=True),
    Column("importance", Float),
    sqlite_with_rowid=False,
)

linear_model = Table(
    "linear_model",
    metadata,
    Column("facts_id", ForeignKey("fit_facts.id"), primary_key=True),
    Column("rmse", Float),
    Column("explained_variance", Float),
    Column("r2", Float),
    Column("is_standardized", Boolean),
)

linear_term = Table(
    "linear_term",
    metadata,
    Column("facts_id", ForeignKey("fit_facts.id"), primary_key=True),
    Column("target", String(200), primary_key=True),
    Column("term_index", Integer, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("coefficient", Float, nullable=False),
    Column("std_err", Float),
    Column("t_stat", Float),
    Column("p_value", Float),
    sqlite_with_rowid=False,
)

tree_model = Table(
    "tree_model",
    metadata,
    Column("facts_id", ForeignKey("fit_facts.id"), primary_key=True),
    Column("model_type", String(32), nullable=False),
    Column("weights", JSON, nullable=False),
    Column("sizes", JSON, nullable=False),
    Column("nodes", LargeBinary),
)

annotation = Table(
    "annotation",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", ForeignKey("experiment_run.id"), nullable=False, index=True),
    Column("posted_at", Float, nullable=False),
    Column("author", String(200)),
)

annotation_fragment = Table(
    "annotation_fragment",
    metadata,
    Column("annotation_id", ForeignKey("annotation.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("message", Text),
    Column("data_frame_id", ForeignKey("data_frame.id"), index=True),
    Column("transformer_id", ForeignKey("transformer.id"), index=True),
    Column("stage_id", ForeignKey("stage.id"), index=True),
    sqlite_with_rowid=False,
)
"""One of the four is given; ``stage_id`` stands for the specification that the stage fitted."""

tag = Table(
    "tag",
    metadata,
    Column("entity", String(16), primary_key=True),
    Column("entity_id", Id, primary_key=True),
    Column("name", String(200), primary_key=True),
    Index("ix_tag_name", "name", "entity", "entity_id"),
    sqlite_with_rowid=False,
)
"""``entity`` is ``project``, ``run`` or ``version``: the table whose row carries the tag."""

life_change = Table(
    "life_change",
    metadata,
    Column("model_version_id", ForeignKey("model_version.id"), primary_key=True),
    Column("changed_at", Float, primary_key=True),
    Column("life_stage", String(16), nullable=False),
    Column("author", String(200)),
    sqlite_with_rowid=False,
)
