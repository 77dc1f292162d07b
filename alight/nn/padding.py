"""Layers that pad, resample or measure: ZeroPad2d, Upsample, CosineSimilarity and their kin."""

from __future__ import annotations

from typing import Any

from alight.errors import fail
from alight.nn import functional as F
from alight.nn.module import Module

Tensor = Any


class _Pad(Module):
    """Common part of the padding layers."""

    count = 0
    mode = "constant"
    value: float = 0

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = (padding,) * (2 * self.count) if isinstance(padding, int) else tuple(padding)

    def forward(self, input: Tensor) -> Tensor:
        """functional.pad."""
        if self.mode == "circular" and input.dim() not in (self.count + 1, self.count + 2):
            fail(
                ValueError,
                f"expected {self.count + 1}D or {self.count + 2}D input (got {input.dim()}D input)",
            )
        if self.mode == "constant":
            return F.pad(input, self.padding, "constant", float(self.value))
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        """The padding."""
        return f"{self.padding}"


class _ConstantPad(_Pad):
    """Common part of the layers that pad with a number."""

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        """Padding and number."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Pads the last dimension with a number."""

    count = 1


class ConstantPad2d(_ConstantPad):
    """Pads the last two dimensions with a number."""

    count = 2


class ConstantPad3d(_ConstantPad):
    """Pads the last three dimensions with a number."""

    count = 3


def _layer(name: str, count: int, mode: str, what: str) -> Any:
    doc = f"Pads the last {count} dimension(s) {what}."
    return type(
        name, (_Pad,), {"count": count, "mode": mode, "__doc__": doc, "__module__": __name__}
    )


ZeroPad1d, ZeroPad2d, ZeroPad3d = (
    _layer(f"ZeroPad{n}d", n, "constant", "with zeros") for n in (1, 2, 3)
)
ReflectionPad1d, ReflectionPad2d, ReflectionPad3d = (
    _layer(f"ReflectionPad{n}d", n, "reflect", "with what lies inside, mirrored") for n in (1, 2, 3)
)
ReplicationPad1d, ReplicationPad2d, ReplicationPad3d = (
    _layer(f"ReplicationPad{n}d", n, "replicate", "with the edge repeated") for n in (1, 2, 3)
)
CircularPad1d, CircularPad2d, CircularPad3d = (
    _layer(f"CircularPad{n}d", n, "circular", "with the other end") for n in (1, 2, 3)
)


class Upsample(Module):
    """Images brought to a size, or multiplied by a factor."""

    def __init__(
        self, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.size, self.mode, self.align_corners = size, mode, align_corners
        if isinstance(scale_factor, tuple):
            self.scale_factor: Any = tuple(float(one) for one in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        """functional.interpolate."""
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        """Size or factor, and mode."""
        size = (
            f"scale_factor={self.scale_factor!r}"
            if self.scale_factor is not None
            else f"size={self.size!r}"
        )
        return f"{size}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Upsample to the nearest pixel."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Upsample bilinearly, corner pixels aligned."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class CosineSimilarity(Module):
    """The cosine of the angle between two tensors along a dimension."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """functional.cosine_similarity."""
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The norm of the difference of two tensors along the last dimension."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """functional.pairwise_distance."""
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
