"""The random words of a CPU generator: MT19937, seeded and saved as PyTorch does.

In: a seed, or a saved state. Out: 32- and 64-bit words in one fixed order. The invariant: after the
same calls, `get_state()` holds the same 5056 bytes as PyTorch's generator. distributions.py builds
on this; whoever draws more than once holds `lock`.
"""

from __future__ import annotations

import os
import threading

import numpy as np

from alight.backends.interpreter.arrays import Array
from alight.errors import fail

DEFAULT_SEED = 67280421310721  # PyTorch's default_rng_seed_val
STATE_SIZE = 624  # words of an MT19937 state

# CPUGeneratorImplState in PyTorch's aten/src/ATen/CPUGeneratorImpl.cpp, with C's padding.
STATE_LAYOUT = np.dtype(
    [
        ("initial_seed", "<u8"),
        ("left", "<i4"),
        ("seeded", "<i4"),
        ("next", "<u8"),
        ("words", "<u8", STATE_SIZE),
        ("normal_x", "<f8"),
        ("normal_y", "<f8"),
        ("normal_rho", "<f8"),
        ("normal_is_valid", "<i4"),
        ("padding", "V4"),
        ("float_normal", "V8"),  # a cached float32 normal; no CPU fill of PyTorch uses it
    ]
)


class Mt19937:
    """PyTorch's CPU random engine: a stream of 32-bit words and at most one cached normal number.

    >>> engine = Mt19937(0)
    >>> [int(word) for word in engine.words(3)]
    [2357136044, 2546248239, 3071714933]
    """

    lock: threading.RLock
    cached_normal: float | None  # the second number of a scalar Box-Muller pair, not yet handed out

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        self.lock = threading.RLock()
        # RandomState gives MT19937 the seeding of 2002 (init_genrand), random_raw the plain words.
        self._bits = np.random.MT19937(0)
        self._seeder = np.random.RandomState(self._bits)
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> Mt19937:
        """Start the stream that belongs to `seed`, an integer from -2**63 to 2**64 - 1.

        Only the low 32 bits choose the stream; a negative seed counts from 2**64 downwards.
        """
        if not -(2**63) <= seed < 2**64:
            fail(
                ValueError,
                "Overflow when unpacking long long",
                [f"the seed is {seed}"],
                "seed % 2**64",
            )
        with self.lock:
            self._initial_seed = seed % 2**64
            self._seeder.seed(seed & 0xFFFFFFFF)
            self._untouched = True
            self.cached_normal = None
            self._float_normal = bytes(8)
        return self

    def seed(self) -> int:
        """Start a stream that nobody can foresee, and return its seed."""
        seed = int.from_bytes(os.urandom(8), "little") & (2**53 - 1)  # 53 bits, as in PyTorch
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed that the stream began with."""
        return self._initial_seed

    def words(self, count: int) -> Array:
        """The next `count` 32-bit words of the stream."""
        return self.raw_words(count).astype("<u8", copy=False).view("<u4")[::2]

    def double_words(self, count: int) -> Array:
        """The next `count` 64-bit words; each is two words of the stream, the high half first."""
        raw = self.raw_words(2 * count)
        return (raw[0::2] << np.uint64(32)) | raw[1::2]

    def raw_words(self, count: int) -> Array:
        """The next `count` 32-bit words, each in 64 bits."""
        with self.lock:
            self._untouched = self._untouched and count == 0
            raw: Array = self._bits.random_raw(count)
        return raw

    def seed_word(self) -> int:
        """One 64-bit word, the seed of a counter-based generator: all that a dropout call takes."""
        return int(self.double_words(1)[0])

    def get_state(self) -> bytes:
        """The whole state in PyTorch's layout of 5056 bytes."""
        with self.lock:
            twister = self._bits.state["state"]
            position = int(twister["pos"])
            state = np.zeros((), STATE_LAYOUT)
            state["initial_seed"], state["seeded"] = self._initial_seed, 1
            state["words"] = twister["key"]
            spent = position == STATE_SIZE
            state["left"] = 1 if spent else STATE_SIZE + 1 - position
            state["next"] = 0 if self._untouched else position
            if self.cached_normal is not None:
                state["normal_y"], state["normal_is_valid"] = self.cached_normal, 1
            state["float_normal"] = self._float_normal
            return state.tobytes()

    def set_state(self, state: bytes) -> None:
        """Go on from a state that `get_state` gave, here or in PyTorch."""
        if len(state) != STATE_LAYOUT.itemsize:
            fail(
                RuntimeError,
                "Expected a CPUGeneratorImplState of size 5056 but found the input RNG state size "
                f"to be {len(state)}",
            )
        new = np.frombuffer(bytes(state), STATE_LAYOUT)[0]
        left, position = int(new["left"]), int(new["next"])
        if not (1 <= left <= STATE_SIZE and 0 <= position <= STATE_SIZE):
            fail(RuntimeError, "Invalid mt19937 state", [f"left is {left}, next is {position}"])
        with self.lock:
            key = new["words"].astype(np.uint32)
            self._untouched = left == 1 and position == 0
            position = STATE_SIZE if left == 1 else position
            self._bits.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": position}}
            self._initial_seed = int(new["initial_seed"])
            self.cached_normal = float(new["normal_y"]) if new["normal_is_valid"] else None
            self._float_normal = bytes(new["float_normal"])
