"""Byte-pair tokenizers of the real models' forms, trained on the texts of the demo world."""

import json
from collections.abc import Sequence
from typing import Any

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import CLIPTokenizer, GemmaTokenizer

SIGLIP_LENGTH = 64
"""To how many tokens SigLIP's texts are padded."""

SAM3_LENGTH = 32
"""To how many tokens SAM 3's texts are padded."""


def gemma_style_tokenizer(
    texts: Sequence[str], size: int, kind: type[Any] = GemmaTokenizer, *, is_split_at_spaces: bool = True
) -> Any:
    """A tokenizer of Gemma's form: spaces as ▁, bytes for unknown letters, a closing ``<eos>``.

    Args:
        texts: What its words are learnt from.
        size: How many tokens it gets at most, 261 of them for bytes and marks.
        kind: The class, of the tokenizers that transformers has in this form.
        is_split_at_spaces: No token reaches over a space, as in Gemma's own vocabulary.
    """
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words = pre_tokenizers.Split("▁", behavior="merged_with_next") if is_split_at_spaces else None
    trained = _train([text.replace(" ", "▁") for text in texts], special, size, words)
    tokenizer = kind(
        vocab=trained["vocab"],
        merges=[tuple(pair) for pair in trained["merges"]],
        padding_side="right",
        model_max_length=SIGLIP_LENGTH,
        model_input_names=["input_ids"],
    )
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", tokenizer.eos_token_id)]
    )
    return tokenizer


def clip_tokenizer(texts: Sequence[str], size: int) -> CLIPTokenizer:
    """A tokenizer of CLIP's form: bytes as letters, ``</w>`` at a word's end.

    Args:
        texts: What its words are learnt from.
        size: How many tokens it gets at most, 514 of them for bytes and marks.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|startoftext|>", "<|endoftext|>", *alphabet, *(f"{letter}</w>" for letter in alphabet)]
    letters = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    trained = _train(texts, special, size, letters, end_of_word_suffix="</w>")
    return CLIPTokenizer(
        vocab=trained["vocab"],
        merges=[tuple(pair) for pair in trained["merges"]],
        model_max_length=SAM3_LENGTH,
    )


def text_sizes(tokenizer: Any) -> dict[str, int]:
    """What the configuration of a text tower says of its tokenizer."""
    return {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": tokenizer.model_max_length,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def _train(
    texts: Sequence[str], special: Sequence[str], size: int, words: Any, **options: Any
) -> dict[str, Any]:
    """The vocabulary and merges of a byte-pair model over ``texts``, cut by ``words`` if it is given."""
    tokenizer = Tokenizer(models.BPE(**options))
    if words is not None:
        tokenizer.pre_tokenizer = words
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[AddedToken(token, normalized=False) for token in special],
        show_progress=False,
        **options,
    )
    tokenizer.train_from_iterator(texts, trainer)
    trained: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return trained
