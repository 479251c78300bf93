"""The words that the small SAM 3 reads, and a tokenizer of CLIP's form that knows them."""

import json

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from komadori.demo_world.kinds import groups, kinds

TEXT_LENGTH = 32

OTHERS = [
    "person",
    "man",
    "woman",
    "child",
    "face",
    "hand",
    "head",
    "truck",
    "motorcycle",
    "train",
    "tram",
    "ship",
    "road",
    "street",
    "bridge",
    "building",
    "house",
    "window",
    "door",
    "roof",
    "wall",
    "fence",
    "mountain",
    "river",
    "lake",
    "beach",
    "snow",
    "rain",
    "horse",
    "cow",
    "sheep",
    "goat",
    "duck",
    "chicken",
    "rabbit",
    "squirrel",
    "bear",
    "elephant",
    "zebra",
    "giraffe",
    "lion",
    "monkey",
    "bag",
    "backpack",
    "hat",
    "shirt",
    "jacket",
    "trousers",
    "shoe",
    "glasses",
    "watch",
    "racket",
    "kite",
    "skateboard",
    "table",
    "chair",
    "sofa",
    "bed",
    "desk",
    "lamp",
    "cup",
    "bottle",
    "bowl",
    "plate",
    "fork",
    "knife",
    "spoon",
    "bread",
    "cake",
    "pizza",
    "sandwich",
    "tomato",
    "egg",
    "clock",
    "vase",
    "phone",
    "laptop",
    "keyboard",
    "mouse",
    "screen",
    "camera",
]
"""Words for things that the synthetic world does not have."""

AROUND = [
    "red",
    "green",
    "blue",
    "yellow",
    "orange",
    "purple",
    "black",
    "white",
    "grey",
    "brown",
    "pink",
    "gold",
    "silver",
    "small",
    "large",
    "old",
    "young",
    "in",
    "on",
    "of",
    "and",
    "with",
    "flower",
    "leaf",
    "grass",
    "sky",
    "cloud",
    "sun",
    "moon",
    "water",
    "sea",
    "box",
    "circle",
    "triangle",
    "stripe",
    "texture",
    "pole",
]
"""Words that the tokenizer knows, and nothing teaches by themselves."""


def known_words() -> list[str]:
    """Every word of the world's English names, of the groups, and those around them."""
    phrases = [name for kind in kinds() for name in kind.english]
    phrases += [group.name for group in groups()]
    words = {word for phrase in phrases for word in phrase.split()}
    return sorted(words | {"a", "the", "visual"} | set(OTHERS) | set(AROUND))


def tokenizer() -> CLIPTokenizer:
    """A byte-pair tokenizer (bytes as letters, ``</w>`` at a word's end): most known words are one token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|startoftext|>", "<|endoftext|>", *alphabet, *(f"{letter}</w>" for letter in alphabet)]
    bare = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bare.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=1400,
        special_tokens=[AddedToken(token, normalized=False) for token in special],
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    bare.train_from_iterator(known_words(), trainer)
    trained = json.loads(bare.to_str())["model"]
    merges = [tuple(pair) for pair in trained["merges"]]
    return CLIPTokenizer(vocab=trained["vocab"], merges=merges, model_max_length=TEXT_LENGTH)
