"""What each host has measured, term by term, in place of one read rate."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.drop_table("read_rate")
    op.create_table(
        "cost_rate",
        sa.Column("host", sa.String(length=200), nullable=False),
        sa.Column("term", sa.String(length=120), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("samples", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("host", "term", name=op.f("pk_cost_rate")),
    )
