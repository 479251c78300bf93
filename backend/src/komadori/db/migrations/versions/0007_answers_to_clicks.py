"""Queries may be clicks, whose answer is a mask

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    answer = sa.Column('answer', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=True)
    op.add_column('queries', answer)


def downgrade() -> None:
    """Clicks are forgotten: nobody waits for them any more."""
    op.execute("DELETE FROM queries WHERE kind = 'clicks'")
    with op.batch_alter_table('queries', table_kwargs={'sqlite_autoincrement': True}) as batch_op:
        batch_op.drop_column('answer')
