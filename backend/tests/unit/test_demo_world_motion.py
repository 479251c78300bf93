"""Things that move: smoothly, in and out of the picture, hiding each other, blurred by their true speed."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from komadori.core.errors import InputError
from komadori.demo_world.motion import EXPOSURE_S, Film, random_shots
from komadori.demo_world.scene import Bar, Scene, Thing, draw

CAST = ["cat", "dog", "cat", "ring", "key", "bus"]
STEP_S = 1 / 12


def film(seed: int = 3, shots: Sequence[Sequence[str]] = (CAST,), duration_s: float = 20.0) -> Film:
    return Film(seed, 320, 180, shots=shots, duration_s=duration_s, n_bars=2)


def frames(seed: int = 3, n: int = 240) -> list[Scene]:
    one = film(seed)
    return [one.scene_at(k * STEP_S) for k in range(n)]


def tracks(scenes: Sequence[Scene]) -> dict[int, list[Thing]]:
    """Each thing over time."""
    found: dict[int, list[Thing]] = {}
    for one in scenes:
        for thing in one.things:
            found.setdefault(thing.track_id, []).append(thing)
    return found


def is_inside(thing: Thing) -> bool:
    rim = thing.size / 2
    return -rim < thing.x < 320 + rim and -rim < thing.y < 180 + rim


def test_a_seed_decides_the_film() -> None:
    first, again, other = (film(seed).scene_at(1.5) for seed in (3, 3, 4))
    assert first.items == again.items
    assert np.array_equal(first.ground, again.ground)
    assert first.items != other.items


def test_each_thing_keeps_its_track_and_its_kind() -> None:
    found = tracks(frames(n=24))
    assert {track: {thing.kind for thing in things} for track, things in found.items()} == {
        number: {kind} for number, kind in enumerate(CAST, start=1)
    }


@pytest.mark.parametrize("seed", range(4))
def test_every_second_thing_stays_and_the_others_leave_and_come_again(seed: int) -> None:
    inside = {track: [is_inside(thing) for thing in things] for track, things in tracks(frames(seed)).items()}
    assert all(all(inside[track]) for track in (1, 3, 5))
    for track in (2, 4, 6):
        assert not all(inside[track])
        assert any(inside[track])


@pytest.mark.parametrize("seed", range(4))
def test_things_move_smoothly_while_they_are_seen(seed: int) -> None:
    for things in tracks(frames(seed)).values():
        for before, after in pairwise(things):
            if is_inside(before) or is_inside(after):
                assert np.hypot(after.x - before.x, after.y - before.y) < 0.06 * 320
                assert abs(after.angle_deg - before.angle_deg) < 5
                assert abs(np.log(after.size / before.size)) < 0.08


def test_things_turn_grow_and_shrink() -> None:
    for things in tracks(frames()).values():
        assert np.ptp([thing.angle_deg for thing in things]) > 5
        assert max(thing.size for thing in things) > 1.1 * min(thing.size for thing in things)


def test_the_blur_is_as_long_as_the_way_while_the_shutter_is_open() -> None:
    one = film()
    for thing in one.scene_at(2.0).things:
        opened, closed = (
            next(t for t in one.scene_at(at).things if t.track_id == thing.track_id)
            for at in (2.0 - EXPOSURE_S / 2, 2.0 + EXPOSURE_S / 2)
        )
        assert thing.smear == pytest.approx((closed.x - opened.x, closed.y - opened.y), abs=1e-6)


def test_the_depth_order_never_changes_and_some_thing_is_hidden_by_another() -> None:
    scenes = frames()
    orders = {tuple(thing.track_id for thing in one.things) for one in scenes}
    assert len(orders) == 1
    shares = [draw(one).visible[0] for one in scenes[::6] if is_inside(one.things[0])]
    assert min(shares) < 0.95


def test_bars_and_background_move_together_with_the_camera() -> None:
    one = film()
    first, later = one.scene_at(0.0), one.scene_at(3.0)
    bars = [[item for item in each.items if isinstance(item, Bar)] for each in (first, later)]
    moves = [(b.x - a.x, b.y - a.y) for a, b in zip(*bars, strict=True)]
    assert len(moves) == 2
    assert np.abs(moves).max() > 0.5
    # The same camera moves both; they differ only by its zoom.
    assert moves[0] == pytest.approx(moves[1], abs=0.12 * 320)
    assert not np.array_equal(first.ground, later.ground)
    assert first.ground.shape == later.ground.shape == (180, 320, 3)


def test_shots_follow_each_other_with_tracks_of_their_own() -> None:
    one = film(shots=[["cat"], ["dog", "bus"], ["cat"]], duration_s=9.0)
    seen = [[(t.kind, t.track_id) for t in one.scene_at(at).things] for at in (0.0, 2.99, 3.01, 8.9, 99.0)]
    assert seen[0] == seen[1] == [("cat", 1)]
    assert sorted(seen[2]) == [("bus", 3), ("dog", 2)]
    assert seen[3] == seen[4] == [("cat", 4)]


def test_a_shot_without_things_is_an_empty_place() -> None:
    assert film(shots=[[]]).scene_at(1.0).things == []


def test_random_shots_are_decided_by_the_seed() -> None:
    assert random_shots(1, n_shots=3, n_things=4) == random_shots(1, n_shots=3, n_things=4)
    assert random_shots(1, n_shots=3) != random_shots(2, n_shots=3)
    assert [len(cast) for cast in random_shots(1, n_shots=3, n_things=4)] == [4, 4, 4]


@pytest.mark.parametrize(
    ("shots", "duration_s", "code", "message"),
    [
        ([["cat", "dragon"]], 1.0, "unknown-kind", "'dragon'"),
        ([], 1.0, "invalid-film", "0 shots"),
        ([["cat"]], 0.0, "invalid-film", "0.0 s"),
        ([["cat"]], float("nan"), "invalid-film", "nan s"),
    ],
)
def test_what_cannot_be_filmed_is_refused(
    shots: list[list[str]], duration_s: float, code: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        film(shots=shots, duration_s=duration_s)
    assert caught.value.code == code
