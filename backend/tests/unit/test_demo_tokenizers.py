"""The tokenizers of the trained demo models have the real ones' form and know the demo's words."""

from functools import cache
from typing import Any

import pytest
from scripts.demo_training.captions import texts_of_tokenizer
from scripts.demo_training.tokenizers import (
    SAM3_LENGTH,
    SIGLIP_LENGTH,
    clip_tokenizer,
    gemma_style_tokenizer,
)


@cache
def gemma() -> Any:
    return gemma_style_tokenizer(texts_of_tokenizer(), size=2048)


@cache
def clip() -> Any:
    return clip_tokenizer(texts_of_tokenizer(), size=2048)


def test_spaces_are_marked_and_words_stay_apart() -> None:
    assert gemma().tokenize("a photo of a cat") == ["a", "▁photo", "▁of", "▁a", "▁cat"]


def test_no_token_reaches_over_the_border_of_words() -> None:
    assert [token for token in gemma().get_vocab() if "▁" in token[1:]] == []


@pytest.mark.parametrize("text", ["red apple", "赤いリンゴの写真", "роза", "Ω 👾"])
def test_texts_come_back_from_their_tokens(text: str) -> None:
    tokens = gemma()(text)["input_ids"]

    assert gemma().unk_token_id not in tokens
    assert gemma().decode(tokens, skip_special_tokens=True) == text


def test_texts_end_in_a_mark_and_are_padded_on_the_right() -> None:
    padded = gemma()("cat", padding="max_length", max_length=SIGLIP_LENGTH)

    word, end, pad = (gemma().convert_tokens_to_ids(token) for token in ("cat", "<eos>", "<pad>"))
    assert dict(padded) == {"input_ids": [word, end, *[pad] * (SIGLIP_LENGTH - 2)]}


def test_taught_texts_are_far_shorter_than_the_model_reads() -> None:
    longest = max(len(gemma().tokenize(text)) for text in texts_of_tokenizer())

    assert longest <= 12


def test_clip_texts_are_framed_and_have_few_tokens() -> None:
    tokens = clip()("a red apple", padding="max_length", max_length=SAM3_LENGTH)["input_ids"]

    pieces = clip().convert_ids_to_tokens(tokens)
    assert pieces[:5] == ["<|startoftext|>", "a</w>", "red</w>", "apple</w>", "<|endoftext|>"]
    assert set(pieces[5:]) == {"<|endoftext|>"}


@pytest.mark.parametrize("text", ["赤いリンゴ", "banana", "Ω"])
def test_clip_knows_all_letters(text: str) -> None:
    tokens = clip()(text)["input_ids"]

    assert clip().decode(tokens, skip_special_tokens=True).strip() == text.lower()
