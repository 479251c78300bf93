"""Annotations say who touched them and when; their former states are columns, which one statement copies for many

Revision ID: 0006
Revises: 0005
"""

from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_AT_ONCE = 1_000

_BOX = ("x0", "y0", "x1", "y1")

_FORMER: tuple[sa.Column[Any], ...] = (
    sa.Column('class_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite')),
    *(sa.Column(edge, sa.Float()) for edge in _BOX),
    sa.Column('mask_counts', sa.LargeBinary()),
    sa.Column('mask_height', sa.Integer()),
    sa.Column('mask_width', sa.Integer()),
    sa.Column('confidence', sa.Float()),
    sa.Column('source', sa.String(length=10)),
    sa.Column('status', sa.String(length=10)),
    sa.Column('track_id', sa.BigInteger()),
)
_REQUIRED = ('class_id', *_BOX, 'source', 'status')

_JSON = sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')
_REVISIONS = sa.table(
    'annotation_revisions',
    sa.column('annotation_id', sa.Integer()),
    sa.column('revision', sa.Integer()),
    sa.column('state', _JSON),
    *(sa.column(column.name, column.type) for column in _FORMER),
)
_ANNOTATIONS = sa.table('annotations', *map(sa.column, ('id', 'frame_id')))
_FRAMES = sa.table('frames', *map(sa.column, ('id', 'height', 'width')))


def upgrade() -> None:
    op.add_column('annotations', sa.Column('created_by', sa.String(length=80), nullable=True))
    op.add_column('annotations', sa.Column('changed_s', sa.Float(), nullable=True))
    op.add_column('annotations', sa.Column('changed_by', sa.String(length=80), nullable=True))
    op.execute(
        "UPDATE annotations SET changed_s = (SELECT max(former.changed_s) FROM annotation_revisions AS former "
        "WHERE former.annotation_id = annotations.id)"
    )
    op.execute("UPDATE annotations SET changed_s = created_s WHERE changed_s IS NULL AND source = 'person'")
    op.add_column('annotation_revisions', sa.Column('changed_by', sa.String(length=80), nullable=True))
    for column in _FORMER:
        op.add_column('annotation_revisions', sa.Column(column.name, column.type, nullable=True))
    _rewrite(_as_columns)
    with op.batch_alter_table('annotation_revisions') as batch_op:
        for column in _FORMER:
            if column.name in _REQUIRED:
                batch_op.alter_column(column.name, existing_type=column.type, nullable=False)
        batch_op.drop_column('state')
        batch_op.create_foreign_key(
            batch_op.f('fk_annotation_revisions_class_id_classes'), 'classes', ['class_id'], ['id'], ondelete='CASCADE'
        )


def downgrade() -> None:
    op.add_column('annotation_revisions', sa.Column('state', _JSON, nullable=True))
    _rewrite(_as_state)
    with op.batch_alter_table('annotation_revisions') as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_annotation_revisions_class_id_classes'), type_='foreignkey')
        batch_op.alter_column('state', existing_type=_JSON, nullable=False)
        for column in _FORMER:
            batch_op.drop_column(column.name)
        batch_op.drop_column('changed_by')
    for name in ('created_by', 'changed_s', 'changed_by'):
        op.drop_column('annotations', name)


def _rewrite(change: Callable[[Any], dict[str, Any]]) -> None:
    """Change the former states in Python: SQLite writes no float into JSON with all of its digits."""
    connection = op.get_bind()
    key = (_REVISIONS.c.annotation_id, _REVISIONS.c.revision)
    statement = (
        sa.update(_REVISIONS)
        .where(key[0] == sa.bindparam('of_annotation'), key[1] == sa.bindparam('of_revision'))
    )
    for rows in _pages(connection, key):
        connection.execute(
            statement,
            [{'of_annotation': row.annotation_id, 'of_revision': row.revision, **change(row)} for row in rows],
        )


def _pages(connection: sa.Connection, key: tuple[Any, Any]) -> Iterator[list[Any]]:
    """All former states with the size of their frame, page by page."""
    statement = (
        sa.select(_REVISIONS, _FRAMES.c.height, _FRAMES.c.width)
        .join(_ANNOTATIONS, _ANNOTATIONS.c.id == _REVISIONS.c.annotation_id)
        .join(_FRAMES, _FRAMES.c.id == _ANNOTATIONS.c.frame_id)
        .order_by(*key)
        .limit(_AT_ONCE)
    )
    after: Any = (0, 0)
    while rows := list(connection.execute(statement.where(sa.tuple_(*key) > sa.tuple_(*map(sa.literal, after))))):
        yield rows
        after = (rows[-1].annotation_id, rows[-1].revision)


def _as_columns(row: Any) -> dict[str, Any]:
    state = row.state
    has_mask = state['mask'] is not None
    return {
        **{name: state[name] for name in ('class_id', 'confidence', 'source', 'status', 'track_id')},
        **dict(zip(_BOX, state['bbox_xyxy'], strict=True)),
        'mask_counts': state['mask'].encode() if has_mask else None,
        'mask_height': row.height if has_mask else None,
        'mask_width': row.width if has_mask else None,
    }


def _as_state(row: Any) -> dict[str, Any]:
    return {
        'state': {
            **{name: getattr(row, name) for name in ('class_id', 'confidence', 'source', 'status', 'track_id')},
            'bbox_xyxy': [getattr(row, edge) for edge in _BOX],
            'mask': None if row.mask_counts is None else bytes(row.mask_counts).decode('ascii'),
        }
    }
