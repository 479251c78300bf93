"""Frames have a mean colour, and the frames of a class are found without reading its annotations

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("frames", sa.Column("mean_colour", sa.Integer(), nullable=True))
    op.create_index(
        op.f("ix_annotations_class_id_frame_id_status"), "annotations", ["class_id", "frame_id", "status"]
    )
    op.drop_index(op.f("ix_annotations_class_id"), "annotations")


def downgrade() -> None:
    op.create_index(op.f("ix_annotations_class_id"), "annotations", ["class_id"])
    op.drop_index(op.f("ix_annotations_class_id_frame_id_status"), "annotations")
    with op.batch_alter_table("frames", table_kwargs={"sqlite_autoincrement": True}) as batch_op:
        batch_op.drop_column("mean_colour")
