"""Running containers of the real images: one worker dies, and the others never notice."""

from itertools import pairwise

import pytest

from tests.containers.stack import Searching
from tests.containers.story import N_FRAMES, Story

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]


def test_a_clip_becomes_frames_vectors_and_proposals(story: Story) -> None:
    assert story.api.search("red shape").json()["n_searched"] == N_FRAMES
    story.check_annotated_once(*story.annotate("quiet"))
    assert {w["queue"] for w in story.api.get_list("/workers")} == {"default", "siglip", "sam3"}
    assert all(container.is_healthy() for container in story.stack.containers.values())


def test_searches_are_answered_while_the_child_of_sam3_is_killed(story: Story) -> None:
    before = story.api.workers("sam3")
    with Searching(story.api, "a red shape") as searching:
        job_id, prompts = story.annotate("killed child")
        story.api.wait_until_amid(job_id)
        story.kill_child_amid("sam3-worker", job_id)
        job = story.check_annotated_once(job_id, prompts)
    searching.all_answered(at_least=5)
    assert max(chunk["attempts"] for chunk in job["chunks"]) == 2, "the chunk that was killed was done again"
    assert story.stack.containers["sam3-worker"].is_running(), "the worker itself lived on"
    story.wait_for_new_worker("sam3-worker", before)


def test_searches_are_answered_while_the_container_of_sam3_is_killed(story: Story) -> None:
    worker = story.stack.containers["sam3-worker"]
    with Searching(story.api, "a red shape") as searching:
        job_id, prompts = story.annotate("killed container")
        story.api.wait_until_amid(job_id)
        worker.kill()
        unfinished = story.api.job(job_id)
        assert unfinished["done"] < N_FRAMES
        assert not worker.is_running()
        searching.wait_for_more(3)
        worker.start()
        story.check_annotated_once(job_id, prompts)
    searching.all_answered(at_least=5)


def test_searches_are_answered_while_sam3_runs_out_of_memory(story: Story) -> None:
    worker = story.stack.containers["sam3-worker"]
    before = story.api.workers("sam3")
    child = story.child_of("sam3-worker")
    with Searching(story.api, "a red shape") as searching:
        job_id, prompts = story.annotate("out of memory")
        story.api.wait_until_amid(job_id)
        n_kills = worker.run_out_of_memory(victim=child)
        assert n_kills >= 1
        story.check_annotated_once(job_id, prompts)
    searching.all_answered(at_least=5)
    assert worker.is_running(), "the worker itself lived on"
    story.wait_for_new_worker("sam3-worker", before)


def test_proposals_are_made_while_siglip_is_dead(story: Story) -> None:
    worker = story.stack.containers["siglip-worker"]
    before = story.api.workers("siglip")
    job_id, prompts = story.annotate("no search")
    story.api.wait_until_amid(job_id)
    worker.kill()
    story.check_annotated_once(job_id, prompts)
    assert not worker.is_running()
    worker.start()
    story.wait_for_new_worker("siglip-worker", before)
    assert story.api.search("a red shape").json()["hits"]


def test_two_containers_share_a_queue_and_nothing_is_done_twice(story: Story) -> None:
    first = story.stack.containers["sam3-worker"]
    second = story.stack.up("sam3-worker", instance="-2")
    try:
        story.api.wait_for_worker("sam3", n=2)
        done_before = first.logs().count("run_chunk")
        job_id, prompts = story.annotate("two workers")
        job = story.check_annotated_once(job_id, prompts)
        assert {chunk["attempts"] for chunk in job["chunks"]} == {1}
        assert first.logs().count("run_chunk") > done_before
        assert second.logs().count("run_chunk") > 0
    finally:
        story.stack.remove("sam3-worker-2")


def test_workers_on_one_card_take_turns(story: Story) -> None:
    workers = [story.stack.containers[name] for name in ("siglip-worker", "sam3-worker")]
    with Searching(story.api, "a red shape") as searching:
        job_id, prompts = story.annotate("turns")
        story.check_annotated_once(job_id, prompts)
    searching.all_answered(at_least=3)
    turns = story.turns(*workers)
    assert {turn.label for turn in turns} == {"siglip", "sam3"}
    assert all(turn.end_s <= following.begin_s for turn, following in pairwise(turns))
    assert sum(turn.label != following.label for turn, following in pairwise(turns)) >= 4, "they alternated"
