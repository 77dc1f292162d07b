"""Measures of a run: time, sums over batches, and named stretches of time."""

from __future__ import annotations

import time
from typing import Any

import alight as torch


class Timer:
    """A stopwatch that remembers every stretch it measured; it starts when it is made.

    >>> timer = Timer()
    >>> timer.stop() >= 0
    True
    >>> len(timer.times)
    1
    """

    def __init__(self) -> None:
        self.times: list[float] = []
        self.start()

    def start(self) -> None:
        """Begin a stretch."""
        self.tik = time.perf_counter()

    def stop(self) -> float:
        """End the stretch; its seconds."""
        self.times.append(time.perf_counter() - self.tik)
        return self.times[-1]

    def avg(self) -> float:
        """Mean of the stretches, in seconds."""
        return sum(self.times) / len(self.times)

    def sum(self) -> float:
        """All stretches together, in seconds."""
        return sum(self.times)

    def cumsum(self) -> list[float]:
        """Seconds up to the end of each stretch."""
        sums, total = [], 0.0
        for stretch in self.times:
            total += stretch
            sums.append(total)
        return sums


class Accumulator:
    """`n` sums, added to side by side.

    >>> sums = Accumulator(2)
    >>> sums.add(1, 2.5)
    >>> sums.add(1, 2.5)
    >>> sums[0], sums[1]
    (2.0, 5.0)
    """

    def __init__(self, n: int) -> None:
        self.data = [0.0] * n

    def add(self, *args: Any) -> None:
        """Add one number, or tensor of one element, to each sum."""
        numbers = [float(arg.detach() if isinstance(arg, torch.Tensor) else arg) for arg in args]
        self.data = [total + more for total, more in zip(self.data, numbers, strict=True)]

    def reset(self) -> None:
        """Begin again at zero."""
        self.data = [0.0] * len(self.data)

    def __getitem__(self, index: Any) -> Any:
        return self.data[index]


class Benchmark:
    """Prints how long the block inside `with` took."""

    def __init__(self, description: str = "Done") -> None:
        self.description = description

    def __enter__(self) -> Benchmark:
        self.timer = Timer()
        return self

    def __exit__(self, *problem: Any) -> None:
        torch.record.lap()  # what the block has recorded belongs to its time
        print(f"{self.description}: {self.timer.stop():.4f} sec")
