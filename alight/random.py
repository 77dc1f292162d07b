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
from alight.offered import listing


class Generator:
    """A stream of random numbers: PyTorch's Mersenne Twister, with the same numbers for the same
    seed.

    Functions that draw take one as `generator`, in place of the default one. Only the CPU has
    one.

    >>> import alight as torch
    >>> g = torch.Generator().manual_seed(0)
    >>> torch.randint(10, (3,), generator=g)
    tensor([4, 9, 3])
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
        """Start the stream of this seed, an int of 64 bits; gives the generator back.

        >>> import alight as torch
        >>> torch.rand(1, generator=torch.Generator().manual_seed(1))
        tensor([0.7576])
        """
        self.engine.manual_seed(int(seed))
        return self

    def seed(self) -> int:
        """Start a stream that nobody can foretell; its seed.

        >>> import alight as torch
        >>> g = torch.Generator()
        >>> g.seed() == g.initial_seed()
        True
        """
        return self.engine.seed()

    def initial_seed(self) -> int:
        """The seed that the stream was started with.

        >>> import alight as torch
        >>> torch.Generator().manual_seed(7).initial_seed()
        7
        """
        return self.engine.initial_seed()

    def seed_word(self) -> int:
        """64 bits of the stream, as a signed number: the seed of a counter-based generator.

        >>> import alight as torch
        >>> isinstance(torch.Generator().seed_word(), int)
        True
        """
        word = self.engine.seed_word()
        return word - (1 << 64) if word >= 1 << 63 else word

    def get_state(self) -> Any:
        """The place in the stream, as a uint8 tensor (5056,).

        >>> import alight as torch
        >>> torch.Generator().get_state().shape
        torch.Size([5056])
        """
        from alight.ops.creation import tensor

        return tensor(list(self.engine.get_state()), dtype=_uint8())

    def set_state(self, new_state: Any) -> None:
        """Go to a place that `get_state` gave; TypeError for something else.

        >>> import alight as torch
        >>> g = torch.Generator()
        >>> state = g.get_state()
        >>> first = torch.rand(2, generator=g)
        >>> _ = g.set_state(state)
        >>> torch.equal(torch.rand(2, generator=g), first)
        True
        """
        if getattr(new_state, "dtype", None) is not _uint8():
            fail(TypeError, "RNG state must be a torch.ByteTensor")
        self.engine.set_state(bytes(new_state.tolist()))

    def clone_state(self) -> Generator:
        """Another generator at the same place.

        >>> import alight as torch
        >>> g = torch.Generator()
        >>> h = g.clone_state()
        >>> torch.equal(torch.rand(2, generator=g), torch.rand(2, generator=h))
        True
        """
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
    """Start an unforeseeable stream; its seed.

    >>> import alight as torch
    >>> torch.seed() == torch.initial_seed()
    True
    >>> _ = torch.manual_seed(0)
    """
    return default_generator.seed()


def initial_seed() -> int:
    """The default generator's seed.

    >>> import alight as torch
    >>> _ = torch.manual_seed(3)
    >>> torch.initial_seed()
    3
    """
    return default_generator.initial_seed()


def get_rng_state() -> Any:
    """The default generator's place, as a uint8 tensor.

    >>> import alight as torch
    >>> torch.get_rng_state().shape
    torch.Size([5056])
    """
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Put the default generator at a place that `get_rng_state` gave.

    Errors: TypeError for a state that is no uint8 tensor, RuntimeError for one that no
    get_rng_state gave.

    >>> import alight as torch
    >>> state = torch.get_rng_state()
    >>> x = torch.rand(1)
    >>> torch.set_rng_state(state)
    >>> torch.equal(x, torch.rand(1))
    True
    """
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, **other: Any) -> Iterator[None]:
    """Leave the default generator where it was before the block.

    >>> import alight as torch
    >>> _ = torch.manual_seed(0)
    >>> with torch.random.fork_rng():
    ...     _ = torch.rand(5)
    >>> torch.rand(1)
    tensor([0.4963])
    """
    state = default_generator.engine.get_state()
    try:
        yield
    finally:
        if enabled:
            default_generator.engine.set_state(state)


__dir__ = listing(globals())
