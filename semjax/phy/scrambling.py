"""Scrambling: coded bits plus a pseudo-random sequence, so that whatever is sent looks random to the modulator.

Without it, a message of zeros would sit on one point of the constellation and not have unit power.

    c(n) = x1(n + 1600) + x2(n + 1600),   x1(n + 31) = x1(n + 3) + x1(n),
                                          x2(n + 31) = x2(n + 3) + x2(n + 2) + x2(n + 1) + x2(n)      (mod 2)

x1 starts with 1, 0, 0, ...; x2 with the binary digits of c_init, least significant first.

Source: 3GPP TS 38.211, clauses 5.2.1 (sequence) and 7.3.1.1 (scrambling).
"""

import functools

import numpy as np
from jaxtyping import UInt8

SKIPPED = 1600
DEGREE = 31
LANES = 28
"""Bits computed at once: the recurrences look back at least this far."""


@functools.lru_cache(maxsize=8)
def sequence(length: int, c_init: int) -> UInt8[np.ndarray, "n"]:
    """Returns the first `length` bits of the sequence, to be added to coded bits.

    Args:
      length: number of bits.
      c_init: seed, 0 to 2^31 - 1.

    Raises:
      ValueError: for another seed.
    """
    if not 0 <= c_init < 1 << DEGREE:
        raise ValueError(f"sequence: c_init={c_init}, allowed are 0 to {(1 << DEGREE) - 1}")
    total = SKIPPED + length
    first, second = (np.zeros(total + DEGREE + LANES, np.uint8) for _ in range(2))
    first[0] = 1
    second[:DEGREE] = c_init >> np.arange(DEGREE) & 1
    for start in range(0, total, LANES):
        for x, taps in ((first, (0, 3)), (second, (0, 1, 2, 3))):
            block = functools.reduce(np.bitwise_xor, (x[start + tap : start + tap + LANES] for tap in taps))
            x[start + DEGREE : start + DEGREE + LANES] = block
    return first[SKIPPED:total] ^ second[SKIPPED:total]
