"""The words of the untrained checkpoints, and tokenizers of the real models' forms that know them."""

import json
from typing import Any

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import CLIPTokenizer

VOCABULARY = """
a an the of in on with and at by near behind under small large young old open closed red green blue
yellow orange purple black white grey brown pink round square striped shiny wooden person man woman
child boy girl player crowd face hand head car truck bus bicycle motorcycle train tram aeroplane boat
ship traffic light sign road street pavement bridge building house window door roof wall fence tree
flower grass leaf plant field hill mountain sky cloud sun moon water river lake sea beach snow rain dog
cat horse cow sheep goat pig bird duck chicken fish rabbit squirrel bear elephant zebra giraffe lion
monkey bag backpack umbrella hat shirt jacket trousers shoe glasses watch ball bat racket kite
skateboard surfboard ski table chair sofa bed desk lamp cup glass bottle bowl plate fork knife spoon
apple banana bread cake pizza sandwich carrot tomato egg book clock vase phone laptop keyboard mouse
screen camera box circle triangle star ring stripe texture photo picture video frame scene night day
indoor outdoor running walking sitting standing jumping playing driving flying swimming
"""
WORDS = VOCABULARY.split()
SENTENCES = [f"{WORDS[i % 16]} {WORDS[i]} {WORDS[(7 * i + 3) % len(WORDS)]}" for i in range(16, len(WORDS))]

TEXT_LENGTH = 64
"""The padded length of SigLIP texts; SAM 3's is 32."""


def gemma_style_tokenizer(kind: type[Any]) -> Any:
    """A byte-pair tokenizer of Gemma's form (spaces as ▁, bytes for the unknown) with our words."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trained = _train_bpe([text.replace(" ", "▁") for text in SENTENCES], special, size=700)
    tokenizer = kind(
        vocab=trained["vocab"],
        merges=[tuple(pair) for pair in trained["merges"]],
        padding_side="right",
        model_max_length=TEXT_LENGTH,
        model_input_names=["input_ids"],
    )
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", tokenizer.eos_token_id)]
    )
    return tokenizer


def clip_tokenizer() -> CLIPTokenizer:
    """A byte-pair tokenizer of CLIP's form (bytes as letters, ``</w>`` at a word's end) with our words."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|startoftext|>", "<|endoftext|>", *alphabet, *(f"{letter}</w>" for letter in alphabet)]
    trained = _train_bpe(WORDS, special, size=1000, end_of_word_suffix="</w>")
    return CLIPTokenizer(
        vocab=trained["vocab"], merges=[tuple(pair) for pair in trained["merges"]], model_max_length=32
    )


def _train_bpe(texts: list[str], special: list[str], size: int, **options: Any) -> dict[str, Any]:
    """The vocabulary and merges of a byte-pair model over ``texts``."""
    tokenizer = Tokenizer(models.BPE(**options))
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[AddedToken(token, normalized=False) for token in special],
        show_progress=False,
        **options,
    )
    tokenizer.train_from_iterator(texts, trainer)
    trained: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return trained
