"""ModelDB whole: data frames, transformers, annotations, tags; metrics and hyperparameters by numbers of names."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "fit_facts",
        sa.Column("id", _ID, nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("problem_type", sa.String(length=32), nullable=False),
        sa.Column("label_columns", sa.JSON(), nullable=False),
        sa.Column("prediction_columns", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fit_facts")),
        sa.UniqueConstraint("address", name=op.f("uq_fit_facts_address")),
    )
    op.create_table(
        "frame_schema",
        sa.Column("id", _ID, nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_frame_schema")),
        sa.UniqueConstraint("address", name=op.f("uq_frame_schema_address")),
    )
    op.create_table(
        "tag",
        sa.Column("entity", sa.String(length=16), nullable=False),
        sa.Column("entity_id", _ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("entity", "entity_id", "name", name=op.f("pk_tag")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tag_name", "tag", ["name", "entity", "entity_id"])
    op.create_table(
        "value_name",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_value_name")),
        sa.UniqueConstraint("name", name=op.f("uq_value_name_name")),
    )
    op.create_table(
        "feature",
        sa.Column("facts_id", _ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("importance", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["facts_id"], ["fit_facts.id"], name=op.f("fk_feature_facts_id")),
        sa.PrimaryKeyConstraint("facts_id", "position", name=op.f("pk_feature")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_feature_name"), "feature", ["name"])
    op.create_table(
        "linear_model",
        sa.Column("facts_id", _ID, nullable=False),
        sa.Column("rmse", sa.Float(), nullable=True),
        sa.Column("explained_variance", sa.Float(), nullable=True),
        sa.Column("r2", sa.Float(), nullable=True),
        sa.Column("is_standardized", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["facts_id"], ["fit_facts.id"], name=op.f("fk_linear_model_facts_id")),
        sa.PrimaryKeyConstraint("facts_id", name=op.f("pk_linear_model")),
    )
    op.create_table(
        "linear_term",
        sa.Column("facts_id", _ID, nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("term_index", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("coefficient", sa.Float(), nullable=False),
        sa.Column("std_err", sa.Float(), nullable=True),
        sa.Column("t_stat", sa.Float(), nullable=True),
        sa.Column("p_value", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["facts_id"], ["fit_facts.id"], name=op.f("fk_linear_term_facts_id")),
        sa.PrimaryKeyConstraint("facts_id", "target", "term_index", name=op.f("pk_linear_term")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tree_model",
        sa.Column("facts_id", _ID, nullable=False),
        sa.Column("model_type", sa.String(length=32), nullable=False),
        sa.Column("weights", sa.JSON(), nullable=False),
        sa.Column("sizes", sa.JSON(), nullable=False),
        sa.Column("nodes", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["facts_id"], ["fit_facts.id"], name=op.f("fk_tree_model_facts_id")),
        sa.PrimaryKeyConstraint("facts_id", name=op.f("pk_tree_model")),
    )
    op.create_table(
        "annotation",
        sa.Column("id", _ID, nullable=False),
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("posted_at", sa.Float(), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["experiment_run.id"], name=op.f("fk_annotation_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotation")),
    )
    op.create_index(op.f("ix_annotation_run_id"), "annotation", ["run_id"])
    op.create_table(
        "life_change",
        sa.Column("model_version_id", _ID, nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.Column("life_stage", sa.String(length=16), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_version.id"], name=op.f("fk_life_change_model_version_id")
        ),
        sa.PrimaryKeyConstraint("model_version_id", "changed_at", name=op.f("pk_life_change")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "history",
        sa.Column("stage_id", _ID, nullable=False),
        sa.Column("name_id", _ID, nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["name_id"], ["value_name.id"], name=op.f("fk_history_name_id")),
        sa.ForeignKeyConstraint(["stage_id"], ["stage.id"], name=op.f("fk_history_stage_id")),
        sa.PrimaryKeyConstraint("stage_id", "name_id", "step", name=op.f("pk_history")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "data_frame",
        sa.Column("id", _ID, nullable=False),
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("stage_id", _ID, nullable=True),
        sa.Column("output", sa.String(length=200), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("schema_id", _ID, nullable=True),
        sa.Column("intermediate_id", _ID, nullable=True),
        sa.Column("tag", sa.String(length=200), nullable=True),
        sa.Column("filepath", sa.Text(), nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["intermediate_id"], ["intermediate.id"], name=op.f("fk_data_frame_intermediate_id")),
        sa.ForeignKeyConstraint(["run_id"], ["experiment_run.id"], name=op.f("fk_data_frame_run_id")),
        sa.ForeignKeyConstraint(["schema_id"], ["frame_schema.id"], name=op.f("fk_data_frame_schema_id")),
        sa.ForeignKeyConstraint(["stage_id"], ["stage.id"], name=op.f("fk_data_frame_stage_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_frame")),
    )
    op.create_index(op.f("ix_data_frame_intermediate_id"), "data_frame", ["intermediate_id"])
    op.create_index(op.f("ix_data_frame_run_id"), "data_frame", ["run_id"])
    op.create_index(op.f("ix_data_frame_stage_id"), "data_frame", ["stage_id"])
    op.create_table(
        "transformer",
        sa.Column("id", _ID, nullable=False),
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("stage_id", _ID, nullable=True),
        sa.Column("output", sa.String(length=200), nullable=False),
        sa.Column("type_name", sa.String(length=250), nullable=False),
        sa.Column("facts_id", _ID, nullable=True),
        sa.Column("fitted_id", _ID, nullable=True),
        sa.Column("tag", sa.String(length=200), nullable=True),
        sa.Column("filepath", sa.Text(), nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["facts_id"], ["fit_facts.id"], name=op.f("fk_transformer_facts_id")),
        sa.ForeignKeyConstraint(["fitted_id"], ["fitted.id"], name=op.f("fk_transformer_fitted_id")),
        sa.ForeignKeyConstraint(["run_id"], ["experiment_run.id"], name=op.f("fk_transformer_run_id")),
        sa.ForeignKeyConstraint(["stage_id"], ["stage.id"], name=op.f("fk_transformer_stage_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transformer")),
    )
    op.create_index(op.f("ix_transformer_facts_id"), "transformer", ["facts_id"])
    op.create_index(op.f("ix_transformer_fitted_id"), "transformer", ["fitted_id"])
    op.create_index(op.f("ix_transformer_run_id"), "transformer", ["run_id"])
    op.create_index(op.f("ix_transformer_stage_id"), "transformer", ["stage_id"])
    op.create_index(op.f("ix_transformer_type_name"), "transformer", ["type_name"])
    op.create_table(
        "annotation_fragment",
        sa.Column("annotation_id", _ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("data_frame_id", _ID, nullable=True),
        sa.Column("transformer_id", _ID, nullable=True),
        sa.Column("stage_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["annotation_id"], ["annotation.id"], name=op.f("fk_annotation_fragment_annotation_id")
        ),
        sa.ForeignKeyConstraint(
            ["data_frame_id"], ["data_frame.id"], name=op.f("fk_annotation_fragment_data_frame_id")
        ),
        sa.ForeignKeyConstraint(["stage_id"], ["stage.id"], name=op.f("fk_annotation_fragment_stage_id")),
        sa.ForeignKeyConstraint(
            ["transformer_id"], ["transformer.id"], name=op.f("fk_annotation_fragment_transformer_id")
        ),
        sa.PrimaryKeyConstraint("annotation_id", "position", name=op.f("pk_annotation_fragment")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_annotation_fragment_data_frame_id"), "annotation_fragment", ["data_frame_id"])
    op.create_index(op.f("ix_annotation_fragment_stage_id"), "annotation_fragment", ["stage_id"])
    op.create_index(op.f("ix_annotation_fragment_transformer_id"), "annotation_fragment", ["transformer_id"])
    for table, columns in (
        (
            "project",
            (
                sa.Column("author", sa.String(200)),
                sa.Column("description", sa.Text()),
                sa.Column("metadata", sa.JSON()),
            ),
        ),
        ("experiment", (sa.Column("description", sa.Text()), sa.Column("metadata", sa.JSON()))),
        (
            "experiment_run",
            (
                sa.Column("author", sa.String(200)),
                sa.Column("description", sa.Text()),
                sa.Column("code_version", sa.String(200)),
                sa.Column("metadata", sa.JSON()),
            ),
        ),
        ("model_version", (sa.Column("life_stage", sa.String(16)),)),
        ("stage", (sa.Column("kind", sa.String(24)), sa.Column("facts", sa.JSON()), sa.Column("tag", sa.String(200)))),
    ):
        for column in columns:
            op.add_column(table, column)
    _add_reference("stage", "parent_id", "stage")
    _add_reference("stage_input", "data_frame_id", "data_frame")
    _add_reference("stage_input", "transformer_id", "transformer")
    _name_what_is_stored()
    _move_values()


def _add_reference(table: str, column: str, target: str) -> None:
    """Add a nullable foreign key; SQLite takes one only together with its column."""
    if op.get_bind().dialect.name == "sqlite":
        reference = f"CONSTRAINT fk_{table}_{column} REFERENCES {target} (id)"
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column} INTEGER {reference}")
    else:
        op.add_column(table, sa.Column(column, sa.BigInteger()))
        op.create_foreign_key(op.f(f"fk_{table}_{column}"), table, target, [column], ["id"])
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def _name_what_is_stored() -> None:
    """Every intermediate is a data frame, and every fitted object but a layer's weights a transformer."""
    op.execute(
        "INSERT INTO data_frame (run_id, stage_id, output, rows, intermediate_id) "
        "SELECT v.run_id, i.stage_id, i.output, i.n_rows, i.id "
        "FROM intermediate i JOIN model_version v ON v.id = i.model_version_id ORDER BY i.id"
    )
    op.execute(
        "INSERT INTO transformer (run_id, stage_id, output, type_name, fitted_id) "
        "SELECT v.run_id, f.stage_id, f.output, f.type_name, f.id "
        "FROM fitted f JOIN model_version v ON v.id = f.model_version_id WHERE f.format <> 'weights' ORDER BY f.id"
    )
    connection = op.get_bind()
    transformer = sa.table("transformer", sa.column("type_name", sa.String()))
    for path in connection.scalars(sa.select(transformer.c.type_name).distinct()).all():
        name = path.rpartition(".")[2]
        connection.execute(sa.update(transformer).where(transformer.c.type_name == path).values(type_name=name))
    op.execute(
        "UPDATE stage_input SET data_frame_id = "
        "(SELECT d.id FROM data_frame d WHERE d.intermediate_id = stage_input.intermediate_id) "
        "WHERE intermediate_id IS NOT NULL"
    )
    op.execute(
        "UPDATE stage_input SET transformer_id = "
        "(SELECT t.id FROM transformer t WHERE t.fitted_id = stage_input.fitted_id) WHERE fitted_id IS NOT NULL"
    )


def _move_values() -> None:
    """Put metrics and hyperparameters into tables whose names are numbers, with the run that they belong to."""
    connection = op.get_bind()
    for table in ("metric", "hyperparameter"):
        op.execute(f"CREATE TABLE {table}_before AS SELECT * FROM {table}")  # noqa: S608 (a name from the line above)
        op.drop_table(table)
        op.execute(
            f"INSERT INTO value_name (name) SELECT DISTINCT name FROM {table}_before "  # noqa: S608
            "WHERE name NOT IN (SELECT name FROM value_name)"
        )
    op.create_table(
        "hyperparameter",
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("name_id", _ID, nullable=False),
        sa.Column("stage_id", _ID, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("number", sa.Float()),
        sa.Column("text", sa.String(200)),
        sa.Column("low", sa.Float()),
        sa.Column("high", sa.Float()),
        sa.Column("is_own", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["experiment_run.id"], name=op.f("fk_hyperparameter_run_id")),
        sa.ForeignKeyConstraint(["name_id"], ["value_name.id"], name=op.f("fk_hyperparameter_name_id")),
        sa.ForeignKeyConstraint(["stage_id"], ["stage.id"], name=op.f("fk_hyperparameter_stage_id")),
        sa.PrimaryKeyConstraint("run_id", "name_id", "stage_id", name=op.f("pk_hyperparameter")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "metric",
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("name_id", _ID, nullable=False),
        sa.Column("stage_id", _ID, nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("data_frame_id", _ID),
        sa.Column("transformer_id", _ID),
        sa.Column("is_own", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["experiment_run.id"], name=op.f("fk_metric_run_id")),
        sa.ForeignKeyConstraint(["name_id"], ["value_name.id"], name=op.f("fk_metric_name_id")),
        sa.ForeignKeyConstraint(["stage_id"], ["stage.id"], name=op.f("fk_metric_stage_id")),
        sa.ForeignKeyConstraint(["data_frame_id"], ["data_frame.id"], name=op.f("fk_metric_data_frame_id")),
        sa.ForeignKeyConstraint(["transformer_id"], ["transformer.id"], name=op.f("fk_metric_transformer_id")),
        sa.PrimaryKeyConstraint("run_id", "name_id", "stage_id", name=op.f("pk_metric")),
        sqlite_with_rowid=False,
    )
    own = (
        "NOT EXISTS (SELECT 1 FROM stage later WHERE later.model_version_id = s.model_version_id "
        "AND later.name = s.name AND later.map_index = s.map_index AND later.try_number > s.try_number "
        "AND later.state = 'success')"
    )
    joined = (
        "JOIN stage s ON s.id = b.stage_id JOIN model_version v ON v.id = s.model_version_id "
        "JOIN value_name n ON n.name = b.name"
    )
    op.execute(
        "INSERT INTO metric (run_id, name_id, stage_id, value, data_frame_id, is_own) "  # noqa: S608
        f"SELECT v.run_id, n.id, b.stage_id, b.value, d.id, {own} FROM metric_before b {joined} "
        "LEFT JOIN data_frame d ON d.intermediate_id = b.intermediate_id"
    )
    value = sa.table(
        "hyperparameter",
        *(sa.column(name) for name in ("run_id", "name_id", "stage_id", "kind", "number", "text", "is_own")),
        sa.column("value", sa.JSON()),
    )
    before = sa.table("hyperparameter_before", sa.column("value", sa.JSON()))
    text = (
        f"SELECT v.run_id, n.id AS name_id, b.stage_id, b.value, {own} AS is_own FROM hyperparameter_before b {joined}"  # noqa: S608
    )
    found = sa.text(text).columns(before.c.value, is_own=sa.Boolean())
    rows = [{**row._mapping, **_searchable(row.value)} for row in connection.execute(found)]
    if rows:
        connection.execute(sa.insert(value), rows)
    op.create_index("ix_hyperparameter_stage_id", "hyperparameter", ["stage_id"])
    op.create_index("ix_hyperparameter_number", "hyperparameter", ["name_id", "number", "run_id"])
    op.create_index("ix_hyperparameter_text", "hyperparameter", ["name_id", "text", "run_id"])
    op.create_index("ix_metric_stage_id", "metric", ["stage_id"])
    op.create_index(
        "ix_metric_value",
        "metric",
        ["name_id", "value", "run_id"],
        sqlite_where=sa.text("is_own"),
        postgresql_where=sa.text("is_own"),
    )
    op.drop_table("metric_before")
    op.drop_table("hyperparameter_before")


def _searchable(value: object) -> dict[str, object]:
    """Return what a value is searched by, as ``mistique_core.catalogue.values`` gave it at this version."""
    if isinstance(value, bool):
        return {"kind": "bool", "number": float(value), "text": str(value).lower()}
    if isinstance(value, int):
        return {"kind": "int", "number": float(value), "text": str(value)[:200]}
    if isinstance(value, float):
        return {"kind": "double", "number": value, "text": repr(value)}
    if isinstance(value, str):
        return {"kind": "string", "number": None, "text": value[:200]}
    return {"kind": "json", "number": None, "text": None}
