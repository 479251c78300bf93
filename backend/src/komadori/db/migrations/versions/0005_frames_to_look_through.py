"""Frames have a mean colour, those of a class are found by an index, and searches know what is not there

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
    op.create_table(
        "absent_words",
        sa.Column("space_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("words_key", sa.String(length=64), nullable=False),
        sa.Column("vectors", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["embedding_spaces.id"],
            name=op.f("fk_absent_words_space_id_embedding_spaces"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("space_id", name=op.f("pk_absent_words")),
    )


def downgrade() -> None:
    op.drop_table("absent_words")
    op.create_index(op.f("ix_annotations_class_id"), "annotations", ["class_id"])
    op.drop_index(op.f("ix_annotations_class_id_frame_id_status"), "annotations")
    with op.batch_alter_table("frames", table_kwargs={"sqlite_autoincrement": True}) as batch_op:
        batch_op.drop_column("mean_colour")
