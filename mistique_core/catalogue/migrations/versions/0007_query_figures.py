"""The figures of answers, apart from the answers: lists of questions need none."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "query_figure",
        sa.Column("query_id", _ID, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["query_id"], ["query.id"], name=op.f("fk_query_figure_query_id")),
        sa.PrimaryKeyConstraint("query_id", name=op.f("pk_query_figure")),
    )
