"""How often each column is asked for; budgets of model versions; whether a re-run has come out equal."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("intermediate_use", sa.Column("columns", sa.LargeBinary()))
    op.add_column("intermediate", sa.Column("rerun_equal", sa.Boolean()))
    op.add_column("model_version", sa.Column("budget_bytes", sa.BigInteger()))
