"""Uploads, and videos that can be deleted: their identity is free at once, and no frame is looked for in vain

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_CHILDREN_OF_FRAMES = ('sampling_frames', 'embeddings', 'run_frames')
"""Without an index on the frame, deleting one reads the whole of each of these tables."""


def upgrade() -> None:
    op.create_table('uploads',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('size_bytes', sa.BigInteger(), nullable=False),
    sa.Column('tus_metadata', sa.Text(), nullable=False),
    sa.Column('expected_sha256', sa.String(length=64), nullable=True),
    sa.Column('sha256', sa.String(length=64), nullable=True),
    sa.Column('created_s', sa.Float(), nullable=False),
    sa.Column('expires_s', sa.Float(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_uploads'))
    )
    op.create_index(op.f('ix_uploads_expected_sha256'), 'uploads', ['expected_sha256'])
    op.create_index(op.f('ix_uploads_sha256'), 'uploads', ['sha256'])
    with op.batch_alter_table('videos', table_kwargs={'sqlite_autoincrement': True}) as batch_op:
        batch_op.drop_constraint(batch_op.f('uq_videos_project_id_sha256'), type_='unique')
    is_not_deleting = sa.text("state != 'deleting'")
    op.create_index(
        op.f('ix_videos_project_id_sha256'), 'videos', ['project_id', 'sha256'], unique=True,
        sqlite_where=is_not_deleting, postgresql_where=is_not_deleting,
    )
    for table in _CHILDREN_OF_FRAMES:
        op.create_index(op.f(f'ix_{table}_frame_id'), table, ['frame_id'])


def downgrade() -> None:
    """A video whose deletion has begun stays, as one that failed and has no identity."""
    for table in _CHILDREN_OF_FRAMES:
        op.drop_index(op.f(f'ix_{table}_frame_id'), table)
    op.execute(
        "UPDATE videos SET state = 'failed', error = 'Its deletion had begun.', "
        "sha256 = 'deleting-' || id WHERE state = 'deleting'"
    )
    op.drop_index(op.f('ix_videos_project_id_sha256'), 'videos')
    with op.batch_alter_table('videos', table_kwargs={'sqlite_autoincrement': True}) as batch_op:
        batch_op.create_unique_constraint(batch_op.f('uq_videos_project_id_sha256'), ['project_id', 'sha256'])
    op.drop_table('uploads')
