"""A backup is taken while real workers are at it; what is restored is whole, and goes on where it stood."""

from contextlib import closing
from pathlib import Path

from komadori.bootstrap import open_store
from komadori.core.types import JobState, JsonDict, Queue
from komadori.db.repositories import jobs as job_rows
from komadori.db.repositories import projects, videos
from komadori.services import annotate, backup, check, garbage, ingest
from komadori.services.audit.findings import Finding
from komadori.settings import Settings
from tests.support.clips import ffmpeg
from tests.support.workers import Installation, installation, settings_for, wait_until

N_FRAMES = 40
SAMPLING: JsonDict = {"sampler": "every", "parameters": {"seconds": "0.2"}, "skip_near_duplicates": False}
SMALL_CHUNKS = {
    "decode_chunk_s": 0.005, "embed_chunk_frames": 1, "annotate_chunk_frames": 1, "decode_workers": 1
}  # fmt: skip


def test_a_backup_taken_amid_all_work_is_whole_and_goes_on(tmp_path: Path) -> None:
    clip = tmp_path / "shapes.mp4"
    source = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=30:d=8")
    ffmpeg(*source, "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-pix_fmt", "yuv420p", str(clip))
    with installation(tmp_path / "first", **SMALL_CHUNKS) as system:
        system.start(*Queue)
        job = ingest.request(system.ctx, str(clip), projects.DEFAULT, SAMPLING)
        wait_until(lambda: n_frames(system) > 2, 60, "first frames")
        annotate.request(system.ctx, ["red", "green"], annotate.Targets(), score_threshold=0.1)
        system.wait_until_amid(job.id)

        assert found(system.settings, pause_s=3.0) == [], "a system at work gives no false alarm"
        about = _back_up(system.settings, tmp_path / "backup")
        is_amid = {state for state in states(system) if not state.is_terminal}
        assert _collect(system.settings).counts == {}
        end_of_all_jobs(system)
        assert found(system.settings, age_s=0.0) == []
    assert 0 < about.n_frames <= N_FRAMES
    assert is_amid, "work was under way when the backup was made"

    restored = settings_for(tmp_path / "second", **SMALL_CHUNKS)
    backup.restore(tmp_path / "backup", restored.home, restored.effective_database_url)
    assert found(restored, age_s=0.0) == []
    with installation(restored.home, **SMALL_CHUNKS) as system:
        assert {state for state in states(system) if not state.is_terminal}
        system.start(*Queue)
        end_of_all_jobs(system)
        assert set(states(system)) == {JobState.DONE}, system.logs()
        assert system.job(job.id).done == N_FRAMES
        assert found(restored, is_deep=True, age_s=0.0) == []


def found(settings: Settings, **options: float) -> list[Finding]:
    store = open_store(settings)
    with closing(store.sessions):
        return list(check.check(store, **{"pause_s": 0.0, **options}).findings)  # type: ignore[arg-type]


def n_frames(system: Installation) -> int:
    """How many are stored; a job counts those of a chunk that is under way, too."""
    with system.ctx.sessions.read() as session:
        return videos.count_frames(session, 1)


def states(system: Installation) -> list[JobState]:
    with system.ctx.sessions.read() as session:
        return [job.state for job in job_rows.page(session, limit=100)]


def end_of_all_jobs(system: Installation) -> None:
    with system.ctx.sessions.read() as session:
        ids = [job.id for job in job_rows.page(session, limit=100)]
    for job_id in sorted(ids):
        system.wait(job_id)


def _back_up(settings: Settings, target: Path) -> backup.About:
    store = open_store(settings)
    with closing(store.sessions):
        return backup.back_up(store, settings.effective_database_url, target)


def _collect(settings: Settings) -> garbage.Garbage:
    store = open_store(settings)
    with closing(store.sessions):
        return garbage.collect(store)
