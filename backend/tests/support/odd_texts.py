"""Words as people, and programs, really send them."""

ODD_TEXTS: tuple[str, ...] = (
    "",
    " ",
    "\u200b",
    "\u2060\ufeff",
    "a\nb",
    "a\tb\rc",
    "犬と猫",
    "ｲﾇﾄﾈｺ",
    "الكلب الأحمر",
    "כלב אדום",
    "\u202eder a\u202c",
    "강아지",
    "가\u1100\u1161\u11a8",
    "\u3164",
    "ลูกสุนัข",
    "कुत्ता",
    "γάτα",
    "Ça, naïve",
    "e\u0301\u0302\u0303\u0304",
    "Z̸̡̛̭̈́a̵͉͝l̴̰̔g̵̱̈o̴̗̕",
    "🐕",
    "👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈",
    "𝔡𝔬𝔤 ℌ",
    "\U0001f9ff\U000e0041\U0010fffd",
    "İI ıi ẞß ǅ",
    "\x07\x1b[31mred\x1b[0m",
    "<script>alert(1)</script>",
    "'; DROP TABLE frames; --",
    "%s {0} ${HOME} $(id) `id`",
    "../../etc/passwd",
    "<eos> <bos> <pad> <|endoftext|> [CLS] [MASK] <s>",
    "\ufffe\uffff",
)
"""Of many scripts, and of none."""

INVISIBLE = ("", " \t\n", "\u200b", "\u2060\ufeff", "\u3164", "\x07", "\u0301", "\u2800", "\u202e")
"""Of which nothing is seen."""
