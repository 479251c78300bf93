"""Things that hardly any video shows, by whose scores a search knows what "not there" looks like."""

import hashlib
from functools import cache

_LIST = """
walrus, anvil, harpsichord, igloo, xylophone, pyramid, sarcophagus, gargoyle, submarine, astronaut,
lighthouse, windmill, volcano, jellyfish, chandelier, throne, catapult, cannon, parachute, bagpipes,
typewriter, gramophone, telescope, microscope, stethoscope, sewing machine, loom, kiln, cactus, bonsai,
flamingo, ostrich, pelican, hedgehog, armadillo, kangaroo, koala, sloth, platypus, narwhal, seahorse,
starfish, lobster, scorpion, tarantula, dragonfly, chameleon, iguana, crocodile, rhinoceros,
hippopotamus, camel, llama, reindeer, moose, bison, wolf, hot air balloon, zeppelin, hovercraft,
bulldozer, combine harvester, steam locomotive, gondola, canoe, surfboard, snowboard, trampoline,
carousel, ferris wheel, roller coaster, bowling alley, chess board, dartboard, billiard table,
sumo wrestler, ballerina, knight in armour, pirate ship, mermaid, dinosaur skeleton, waterfall, iceberg,
coral reef, geyser, sand dune, rice terrace, vineyard, beehive, haystack, scarecrow, totem pole, obelisk,
pagoda, cathedral, drawbridge, aqueduct, wigwam
"""

WORDS: tuple[str, ...] = tuple(" ".join(word.split()) for word in _LIST.split(","))


@cache
def key() -> str:
    """Changes with the words: vectors of other words are not compared with these."""
    return hashlib.sha256("\n".join(WORDS).encode()).hexdigest()
