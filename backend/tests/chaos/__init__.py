"""A running system under faults: what is asked of it must come out once, whatever dies meanwhile.

``python -m tests.chaos --seed N --seconds S --database sqlite|postgresql [--faults a,b]``, or ``make chaos``.
"""
