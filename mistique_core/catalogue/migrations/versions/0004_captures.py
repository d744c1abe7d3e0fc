"""Captures of networks in progress; what calling a stage costs however few rows it makes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("stage", sa.Column("call_seconds", sa.Float()))
    op.create_table(
        "capture",
        sa.Column("id", _ID, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("model_version_id", _ID, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("beat_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["model_version_id"], ["model_version.id"], name=op.f("fk_capture_model_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_capture")),
        sa.UniqueConstraint("model_version_id", "key", name=op.f("uq_capture_model_version_id_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "capture_block",
        sa.Column("capture_id", _ID, nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["capture_id"], ["capture.id"], name=op.f("fk_capture_block_capture_id")),
        sa.PrimaryKeyConstraint("capture_id", "block", name=op.f("pk_capture_block")),
        sqlite_with_rowid=False,
    )
