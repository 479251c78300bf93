"""`komadori demo` as a user runs it, with the models that come in the package."""

import json
import subprocess
from pathlib import Path

import pytest
from PIL import Image as Pictures

from tests.support.running_up import KOMADORI, environment, processes_of


@pytest.mark.slow
def test_the_demo_goes_the_whole_way_and_leaves_what_it_promises(tmp_path: Path) -> None:
    """Settings of the user's own Komadori are there, and nothing of it is touched."""
    folder = tmp_path / "out"
    users = {"KOMADORI_HOME": str(tmp_path / "users"), "KOMADORI_TOKEN": "secret", "KOMADORI_OFFLINE": "true"}
    (tmp_path / ".env").write_text(f"KOMADORI_DATABASE_URL=sqlite:///{tmp_path}/users.db\n")

    done = subprocess.run(
        [*KOMADORI, "demo", "--output", str(folder)],
        env=environment(**users),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert max(len(line) for line in done.stdout.splitlines() if str(tmp_path) not in line) <= 80
    assert [line[:3] for line in done.stdout.splitlines() if line[1:3] == "/9"] == [
        f"{n}/9" for n in range(1, 10)
    ]
    assert "what they find means nothing" in " ".join(done.stdout.split())
    assert not (tmp_path / "users").exists()
    assert not (tmp_path / "users.db").exists()
    assert processes_of(folder / "home") == []

    facts = json.loads((folder / "summary.json").read_text())
    assert facts["video"]["frames"] == 20
    assert all(n > 0 for n in facts["proposals"].values())
    assert facts["review"]["accepted"] > 0
    assert facts["verification"] == {"frames": 20, "agree": 20, "issues": []}
    assert set(facts["timings_s"]) == {
        *("start", "add", "search_text", "search_image", "annotate", "review", "export", "verify", "stop")
    }
    exported = json.loads((folder / "coco/annotations/instances_default.json").read_text())
    assert len(exported["annotations"]) == facts["review"]["accepted"] == facts["export"]["n_annotations"]
    overlays = sorted((folder / "overlays").glob("*.png"))
    assert 1 <= len(overlays) <= 8
    for picture in (*overlays, folder / "search-hits.png"):
        with Pictures.open(picture) as opened:
            assert opened.width >= 640
