"""The words that the small SAM 3 reads."""

from komadori.demo_world.kinds import groups, kinds

VOCABULARY_SIZE = 1400
"""Tokens: enough for most known words to be one."""

_OTHERS = """
person man woman child face hand head truck motorcycle train tram ship road street bridge building house
window door roof wall fence mountain river lake beach snow rain horse cow sheep goat duck chicken rabbit
squirrel bear elephant zebra giraffe lion monkey bag backpack hat shirt jacket trousers shoe glasses
watch racket kite skateboard table chair sofa bed desk lamp cup bottle bowl plate fork knife spoon bread
cake pizza sandwich tomato egg clock vase phone laptop keyboard mouse screen camera
"""
OTHERS = _OTHERS.split()
"""Words for things that the synthetic world does not have."""

_AROUND = """
red green blue yellow orange purple black white grey brown pink gold silver small large old young in on
of and with flower leaf grass sky cloud sun moon water sea box circle triangle stripe texture pole
"""
AROUND = _AROUND.split()
"""Words that the tokenizer knows, and nothing teaches by themselves."""


def known_words() -> list[str]:
    """Every word of the world's English names, of the groups, and those around them."""
    phrases = [name for kind in kinds() for name in kind.english]
    phrases += [group.name for group in groups()]
    words = {word for phrase in phrases for word in phrase.split()}
    return sorted(words | {"a", "the", "visual"} | set(OTHERS) | set(AROUND))
