"""Few random numbers, in plain Python: bit for bit those of distributions.py, without NumPy's cost of a call.

In: a generator and a count of at most FEW. Out: arrays as those of distributions.py, whose functions of the same names
call these.
"""

from __future__ import annotations

import math

import numpy as np

from alight.backends.interpreter.arrays import Array
from alight.backends.interpreter.generator import Mt19937

FEW = 12  # elements up to which a list is quicker than the dozen calls of NumPy that it stands for
SHORT = 48  # the same, of permutations, which take more calls
_SINGLE, _DOUBLE = 2.0**-24, 2.0**-53
_CIRCLE = 2.0 * math.pi


def uniform(generator: Mt19937, n: int) -> Array:
    """float32 in [0, 1) from the low 24 bits of a word each."""
    words = generator.raw_words(n).tolist()
    return np.array([(word & 0xFFFFFF) * _SINGLE for word in words], np.float32)


def integers(generator: Mt19937, n: int, low: int, width: int) -> Array:
    """int64 from `low` up to, but without, `low + width`, from a word each."""
    words = generator.raw_words(n).tolist()
    return np.array([word % width + low for word in words], np.int64)


def normal(generator: Mt19937, n: int) -> list[float]:
    """Standard normal numbers in double precision by Box and Muller; an odd one stays with the generator."""
    with generator.lock:
        found = []
        if n and generator.cached_normal is not None:
            found.append(generator.cached_normal)
            generator.cached_normal = None
        missing = n - len(found)
        words = generator.raw_words((missing + 1) // 2 * 4).tolist()
        for a, b, c, d in zip(words[::4], words[1::4], words[2::4], words[3::4], strict=True):
            angle = _CIRCLE * (((a << 32 | b) & 0x1FFFFFFFFFFFFF) * _DOUBLE)
            radius = math.sqrt(-2.0 * math.log1p(-(((c << 32 | d) & 0x1FFFFFFFFFFFFF) * _DOUBLE)))
            found.append(radius * math.cos(angle))
            found.append(radius * math.sin(angle))
        if missing & 1:
            generator.cached_normal = found.pop()
    return found


def permutation(generator: Mt19937, n: int) -> Array:
    """A random order of 0 ... n-1: position i changes places with a random later one."""
    order = list(range(n))
    words = generator.raw_words(max(n - 1, 0)).tolist()
    for i, word in enumerate(words):
        j = i + word % (n - i)
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)
