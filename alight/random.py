"""torch.random: generators, seeds, and the state of the default generator. Bit for bit PyTorch's CPU streams.

The default generator is made at its first use: NumPy's random module takes a while to load.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alight.device import CPU
from alight.device import device as Device
from alight.errors import fail


class Generator:
    """A stream of random numbers: PyTorch's Mersenne Twister.

    >>> import alight as torch
    >>> torch.rand(2, generator=torch.Generator().manual_seed(0))
    tensor([0.4963, 0.7682])
    """

    def __init__(self, device: Any = "cpu") -> None:
        self.device = Device(device)
        if self.device.type != "cpu":
            from alight.backends.base import backend_of

            backend_of(self.device)
        self._engine: Any = None

    @property
    def engine(self) -> Any:
        """The Mersenne Twister that gives the words."""
        if self._engine is None:
            from alight.backends.interpreter.generator import Mt19937

            self._engine = Mt19937()
        return self._engine

    @engine.setter
    def engine(self, engine: Any) -> None:
        self._engine = engine

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of this seed."""
        self.engine.manual_seed(int(seed))
        return self

    def seed(self) -> int:
        """Start a stream that nobody can foretell; its seed."""
        return self.engine.seed()

    def initial_seed(self) -> int:
        """The seed that the stream was started with."""
        return self.engine.initial_seed()

    def seed_word(self) -> int:
        """64 bits of the stream, as a signed number: the seed of a counter-based generator."""
        word = self.engine.seed_word()
        return word - (1 << 64) if word >= 1 << 63 else word

    def get_state(self) -> Any:
        """The place in the stream, as a uint8 tensor of 5056 elements."""
        from alight.ops.creation import tensor

        return tensor(list(self.engine.get_state()), dtype=_uint8())

    def set_state(self, new_state: Any) -> None:
        """Go to a place that `get_state` gave."""
        if getattr(new_state, "dtype", None) is not _uint8():
            fail(TypeError, "RNG state must be a torch.ByteTensor")
        self.engine.set_state(bytes(new_state.tolist()))

    def clone_state(self) -> Generator:
        """Another generator at the same place."""
        copy = Generator(self.device)
        copy.engine.set_state(self.engine.get_state())
        return copy

    def __repr__(self) -> str:
        return f"<alight.Generator on {self.device}>"

    def __reduce__(self) -> Any:
        return _restored, (self.engine.get_state(),)


def _restored(state: bytes) -> Generator:
    generator = Generator()
    generator.engine.set_state(state)
    return generator


def _uint8() -> Any:
    from alight.dtypes import uint8

    return uint8


default_generator = Generator(CPU)


def manual_seed(seed: int) -> Generator:
    """Start the default generator's stream of this seed.

    >>> import alight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Start an unforeseeable stream; its seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The default generator's seed."""
    return default_generator.initial_seed()


def get_rng_state() -> Any:
    """The default generator's place, as a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Put the default generator at a place that `get_rng_state` gave."""
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, **other: Any) -> Iterator[None]:
    """Leave the default generator where it was before the block."""
    state = default_generator.engine.get_state()
    try:
        yield
    finally:
        if enabled:
            default_generator.engine.set_state(state)
