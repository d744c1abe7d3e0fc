"""Codecs, zone maps, lossy schemes and layouts; the columns of an intermediate become one value."""

import json
import zlib

import sqlalchemy as sa
from alembic import op
from blake3 import blake3

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "deleted_partition",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_deleted_partition")),
    )
    op.create_table(
        "layout",
        sa.Column("id", _ID, nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("n_columns", sa.Integer(), nullable=False),
        sa.Column("names", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_layout")),
        sa.UniqueConstraint("address", name=op.f("uq_layout_address")),
    )
    op.create_table(
        "open_write",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("host", sa.String(length=200), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("beat_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_open_write")),
    )
    op.create_table(
        "similar_band",
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("chunk_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(["chunk_id"], ["chunk.id"], name=op.f("fk_similar_band_chunk_id")),
        sa.PrimaryKeyConstraint("key", "chunk_id", name=op.f("pk_similar_band")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_similar_band_chunk_id"), "similar_band", ["chunk_id"])
    for column in (
        sa.Column("codec", sa.Text()),
        sa.Column("pages", sa.LargeBinary()),
        sa.Column("low", sa.LargeBinary()),
        sa.Column("high", sa.LargeBinary()),
        sa.Column("nulls", sa.Integer()),
    ):
        op.add_column("chunk", column)
    _add_reference("chunk", "base_id", "chunk")
    op.add_column("column_version", sa.Column("scheme", sa.Text()))
    op.add_column("column_version", sa.Column("max_abs_error", sa.Float()))
    op.add_column("intermediate", sa.Column("columns", sa.LargeBinary()))
    _add_reference("intermediate", "layout_id", "layout")
    for table, name in (
        ("column_version", "categories_id"),
        ("intermediate", "row_id_version"),
        ("fitted", "chunk_id"),
        ("stage", "reused_from"),
        ("stage_input", "fitted_id"),
        ("metric", "intermediate_id"),
    ):
        op.create_index(op.f(f"ix_{table}_{name}"), table, [name])
    _pack_columns(op.get_bind())
    op.drop_table("intermediate_column")


def _add_reference(table: str, column: str, target: str) -> None:
    """Add a nullable foreign key; SQLite takes one only together with its column."""
    if op.get_bind().dialect.name == "sqlite":
        reference = f"CONSTRAINT fk_{table}_{column} REFERENCES {target} (id)"
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column} INTEGER {reference}")
    else:
        op.add_column(table, sa.Column(column, sa.BigInteger()))
        op.create_foreign_key(op.f(f"fk_{table}_{column}"), table, target, [column], ["id"])
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def _pack_columns(connection: sa.Connection) -> None:
    """Move the rows of intermediate_column into layout and intermediate.columns."""
    old = sa.table(
        "intermediate_column",
        *(sa.column(name) for name in ("intermediate_id", "position", "name", "column_version_id")),
    )
    layout = sa.table("layout", *(sa.column(name) for name in ("id", "address", "n_columns", "names")))
    intermediate = sa.table("intermediate", *(sa.column(name) for name in ("id", "layout_id", "columns")))
    layouts: dict[bytes, int] = {}
    for owner in connection.scalars(sa.select(intermediate.c.id)).all():
        rows = connection.execute(
            sa.select(old.c.name, old.c.column_version_id)
            .where(old.c.intermediate_id == owner)
            .order_by(old.c.position)
        ).all()
        text = json.dumps({"names": [row.name for row in rows]}, ensure_ascii=False, separators=(",", ":"))
        data = text.encode("utf-8", "surrogatepass")
        address = blake3(b"layout\0" + data).digest()
        if address not in layouts:
            values = {"address": address, "n_columns": len(rows), "names": zlib.compress(data)}
            connection.execute(sa.insert(layout).values(**values))
            found = sa.select(layout.c.id).where(layout.c.address == address)
            layouts[address] = int(connection.execute(found).scalar_one())
        packed = b"".join(row.column_version_id.to_bytes(4, "little") for row in rows)
        connection.execute(
            sa.update(intermediate)
            .where(intermediate.c.id == owner)
            .values(layout_id=layouts[address], columns=b"\x04" + packed)
        )
