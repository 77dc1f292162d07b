"""Several transforms of samples as one: one after the other, some of them, in any order.

In: transforms, of samples or of single images. Out: a transform of samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import alight
from alight import nn
from alight.errors import fail


class _Several(nn.Module):
    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        super().__init__()
        if not isinstance(transforms, Sequence | nn.ModuleList):
            fail(TypeError, "Argument transforms should be a sequence of callables")
        if not transforms:
            fail(ValueError, "Pass at least one transform")
        self.transforms = transforms

    def _all(self, chosen: Any, inputs: tuple[Any, ...]) -> Any:
        several = len(inputs) > 1
        for transform in chosen:
            outputs = transform(*inputs)
            inputs = outputs if several else (outputs,)
        return inputs if several else inputs[0]

    def extra_repr(self) -> str:
        """A line for each transform."""
        return "\n".join(f"    {transform}" for transform in self.transforms)


class Compose(_Several):
    """One transform after the other.

    >>> Compose([lambda x: x + 1, lambda x: x * 2])(alight.zeros(1)).item()
    2.0
    """

    def forward(self, *inputs: Any) -> Any:
        return self._all(self.transforms, inputs)


class RandomApply(_Several):
    """All transforms with probability `p`; else the sample as it is."""

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: float = 0.5) -> None:
        super().__init__(transforms)
        if not 0.0 <= p <= 1.0:
            fail(
                ValueError,
                "`p` should be a floating point value in the interval [0.0, 1.0].",
            )
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        if alight.rand(1).item() >= self.p:
            return inputs if len(inputs) > 1 else inputs[0]
        return self._all(self.transforms, inputs)


class RandomChoice(_Several):
    """One of the transforms, with probabilities in proportion to `p`."""

    def __init__(
        self, transforms: Sequence[Callable[..., Any]], p: list[float] | None = None
    ) -> None:
        super().__init__(transforms)
        p = [1.0] * len(transforms) if p is None else p
        if len(p) != len(transforms):
            fail(
                ValueError,
                "Length of p doesn't match the number of transforms: "
                f"{len(p)} != {len(transforms)}",
            )
        self.p = [one / sum(p) for one in p]

    def forward(self, *inputs: Any) -> Any:
        chosen = int(alight.multinomial(alight.tensor(self.p), 1))  # type: ignore[operator]
        return self._all([self.transforms[chosen]], inputs)


class RandomOrder(_Several):
    """All transforms, in random order."""

    def forward(self, *inputs: Any) -> Any:
        order = alight.randperm(len(self.transforms)).tolist()
        return self._all([self.transforms[number] for number in order], inputs)
