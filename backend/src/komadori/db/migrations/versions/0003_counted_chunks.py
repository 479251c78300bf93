"""Chunks are counted where they change, and jobs can be paused

The counts are kept by triggers, so that every statement that changes chunks keeps them, in its own
transaction. They are dropped by SQLite with the table: a migration that rebuilds ``chunks`` makes them again.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SUMS = ("total", "done", "skipped", "failed")

_RECOUNT = """
INSERT INTO chunk_counts (job_id, queue, state, n, announced_s, total, done, skipped, failed)
SELECT job_id, queue, state, count(*), 0,
       sum(CASE state WHEN 'running' THEN 0 ELSE total END), sum(CASE state WHEN 'running' THEN 0 ELSE done END),
       sum(CASE state WHEN 'running' THEN 0 ELSE skipped END), sum(CASE state WHEN 'running' THEN 0 ELSE failed END)
FROM chunks GROUP BY job_id, queue, state
"""

_RESUME = """
UPDATE jobs SET state = CASE WHEN started_s IS NULL THEN 'queued' ELSE 'running' END WHERE state = 'paused'
"""

# SQLite: row by row. What runs is left out of the sums, because its own change every second.

_SQLITE_ADD = f"""
INSERT INTO chunk_counts (job_id, queue, state, n, announced_s, {", ".join(_SUMS)})
VALUES (NEW.job_id, NEW.queue, NEW.state, 1, 0,
        {", ".join(f"(NEW.state <> 'running') * NEW.{name}" for name in _SUMS)})
ON CONFLICT (job_id, queue, state) DO UPDATE
SET n = n + 1, {", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS)};
"""

_SQLITE_REMOVE = f"""
UPDATE chunk_counts
SET n = n - 1, {", ".join(f"{name} = {name} - (OLD.state <> 'running') * OLD.{name}" for name in _SUMS)}
WHERE job_id = OLD.job_id AND queue = OLD.queue AND state = OLD.state;
"""

_SQLITE_TRIGGERS = {
    "count_added_chunk": f"AFTER INSERT ON chunks BEGIN {_SQLITE_ADD} END",
    "count_removed_chunk": f"AFTER DELETE ON chunks BEGIN {_SQLITE_REMOVE} END",
    "count_changed_chunk": f"""
        AFTER UPDATE OF job_id, queue, state, {", ".join(_SUMS)} ON chunks
        WHEN OLD.state <> 'running' OR NEW.state <> 'running'
        BEGIN {_SQLITE_REMOVE} {_SQLITE_ADD} END""",
}

# PostgreSQL: once for each statement. A job that is being deleted has no counts any more.

_POSTGRESQL_FUNCTION = f"""
INSERT INTO chunk_counts AS c (job_id, queue, state, n, announced_s, {", ".join(_SUMS)})
SELECT * FROM (
    SELECT job_id, queue, state, sum(sign) AS n, 0 AS announced_s,
           {", ".join(f"sum(CASE state WHEN 'running' THEN 0 ELSE sign * {name} END) AS {name}" for name in _SUMS)}
    FROM (%s) AS changes
    WHERE EXISTS (SELECT FROM jobs WHERE jobs.id = job_id)
    GROUP BY job_id, queue, state
) AS counted
WHERE (n, {", ".join(_SUMS)}) <> (0, 0, 0, 0, 0)
ORDER BY job_id, queue, state
ON CONFLICT (job_id, queue, state) DO UPDATE
SET n = c.n + excluded.n, {", ".join(f"{name} = c.{name} + excluded.{name}" for name in _SUMS)};
"""

_ADDED, _GONE = "SELECT 1 AS sign, added.* FROM added", "SELECT -1 AS sign, gone.* FROM gone"

_POSTGRESQL_TRIGGERS = {
    "count_added_chunks": ("INSERT", "NEW TABLE AS added", _ADDED),
    "count_removed_chunks": ("DELETE", "OLD TABLE AS gone", _GONE),
    "count_changed_chunks": ("UPDATE", "OLD TABLE AS gone NEW TABLE AS added", f"{_GONE} UNION ALL {_ADDED}"),
}


def upgrade() -> None:
    op.create_table(
        "chunk_counts",
        sa.Column("job_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("queue", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("announced_s", sa.Float(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _SUMS),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_chunk_counts_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "queue", "state", name=op.f("pk_chunk_counts")),
    )
    op.create_index(
        op.f("ix_chunk_counts_queue_state_announced_s"),
        "chunk_counts",
        ["queue", "state", "announced_s"],
        sqlite_where=sa.text("n > 0"),
        postgresql_where=sa.text("n > 0"),
    )
    op.create_index(
        op.f("ix_chunks_job_id_state_published_s_position"),
        "chunks",
        ["job_id", "state", "published_s", "position"],
    )
    op.execute(_RECOUNT)
    if op.get_bind().dialect.name == "sqlite":
        for name, body in _SQLITE_TRIGGERS.items():
            op.execute(f"CREATE TRIGGER {name} {body}")
        return
    for name, (event, tables, changes) in _POSTGRESQL_TRIGGERS.items():
        body = f"BEGIN {_POSTGRESQL_FUNCTION % changes} RETURN NULL; END"
        op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON chunks REFERENCING {tables} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name in _SQLITE_TRIGGERS:
            op.execute(f"DROP TRIGGER {name}")
    else:
        for name in _POSTGRESQL_TRIGGERS:
            op.execute(f"DROP TRIGGER {name} ON chunks")
            op.execute(f"DROP FUNCTION {name}()")
    op.drop_index(op.f("ix_chunks_job_id_state_published_s_position"), "chunks")
    op.drop_table("chunk_counts")
    op.execute(_RESUME)
