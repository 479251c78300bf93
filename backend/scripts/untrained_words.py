"""The words that the tokenizers of the untrained checkpoints know."""

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
