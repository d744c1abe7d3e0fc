"""What a stage needs for a few rows; the columns of an intermediate that is not kept."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("stage", sa.Column("needs", sa.JSON()))
    op.add_column("intermediate", sa.Column("unstored", sa.LargeBinary()))
