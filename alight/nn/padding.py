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
    """Pads the last dimension with a number.

    (*, length) to (*, left + length + right); padding is an int or (left, right), negative to
    cut.

    >>> import alight as torch
    >>> torch.nn.ConstantPad1d((1, 2), 9.0)(torch.tensor([[1., 2.]]))
    tensor([[9., 1., 2., 9., 9.]])
    """

    count = 1


class ConstantPad2d(_ConstantPad):
    """Pads the last two dimensions with a number.

    (*, height, width) to the padded extents; padding is an int or (left, right, top, bottom),
    negative to cut.

    >>> import alight as torch
    >>> torch.nn.ConstantPad2d((1, 0, 0, 1), 9.0)(torch.tensor([[1., 2.]]))
    tensor([[9., 1., 2.],
            [9., 9., 9.]])
    """

    count = 2


class ConstantPad3d(_ConstantPad):
    """Pads the last three dimensions with a number.

    (*, depth, height, width) to the padded extents; padding is an int or (left, right, top,
    bottom, front, back), negative to cut.

    >>> import alight as torch
    >>> torch.nn.ConstantPad3d(1, 9.0)(torch.ones(1, 2, 3)).shape
    torch.Size([3, 4, 5])
    """

    count = 3


_DOC = """Pads the last {dimensions} {what}.

    (*, {extents}) to the padded extents; padding is an int or
    ({sides}){more}.

    >>> import alight as torch
    >>> torch.nn.{name}(1)({call}){shape}
    {printed}
    """
_DIMENSIONS = {1: "dimension", 2: "two dimensions", 3: "three dimensions"}
_EXTENTS = {1: "length", 2: "height, width", 3: "depth, height, width"}
_SIDES = {
    1: "left, right",
    2: "left, right, top, bottom",
    3: "left, right, top, bottom, front, back",
}
# By mode: what lies in the padding, what else is to be said, and the padded [[1., 2.]].
_MODES = {
    "constant": ("with zeros", ", negative to cut", "[0., 1., 2., 0.]"),
    "reflect": (
        "with what lies inside, mirrored at the edge",
        ", less than the extents, else RuntimeError",
        "[2., 1., 2., 1.]",
    ),
    "replicate": ("with the edge repeated", "", "[1., 1., 2., 2.]"),
    "circular": (
        "with what lies at the other end",
        ", no more than the extents, else RuntimeError",
        "[2., 1., 2., 1.]",
    ),
}


def _layer(name: str, count: int, mode: str) -> Any:
    what, more, row = _MODES[mode]
    line = count == 1
    doc = _DOC.format(
        name=name,
        dimensions=_DIMENSIONS[count],
        what=what,
        extents=_EXTENTS[count],
        sides=_SIDES[count],
        more=more,
        call="torch.tensor([[1., 2.]])" if line else f"torch.ones{(1, *(2,) * count)}",
        shape="" if line else ".shape",
        printed=f"tensor([{row}])" if line else f"torch.Size({[1, *(4,) * count]})",
    )
    return type(
        name, (_Pad,), {"count": count, "mode": mode, "__doc__": doc, "__module__": __name__}
    )


ZeroPad1d, ZeroPad2d, ZeroPad3d = (_layer(f"ZeroPad{n}d", n, "constant") for n in (1, 2, 3))
ReflectionPad1d, ReflectionPad2d, ReflectionPad3d = (
    _layer(f"ReflectionPad{n}d", n, "reflect") for n in (1, 2, 3)
)
ReplicationPad1d, ReplicationPad2d, ReplicationPad3d = (
    _layer(f"ReplicationPad{n}d", n, "replicate") for n in (1, 2, 3)
)
CircularPad1d, CircularPad2d, CircularPad3d = (
    _layer(f"CircularPad{n}d", n, "circular") for n in (1, 2, 3)
)


class Upsample(Module):
    """Sequences, images or volumes brought to a size, or to scale_factor times their extents.

    (n, c, length), (n, c, height, width) or (n, c, depth, height, width) to the new extents.
    mode: "nearest", "nearest-exact", "linear" (sequences), "bilinear" and "bicubic" (images),
    "trilinear" (volumes), "area"; align_corners puts the corner elements of input and output
    onto each other. ValueError where neither or both of size and scale_factor are given;
    NotImplementedError where the mode does not suit the rank.

    >>> import alight as torch
    >>> torch.nn.Upsample(scale_factor=2)(torch.tensor([[[[1., 2.]]]]))
    tensor([[[[1., 1., 2., 2.],
              [1., 1., 2., 2.]]]])
    >>> upsample = torch.nn.Upsample(size=(1, 3), mode="bilinear", align_corners=True)
    >>> upsample(torch.tensor([[[[1., 2.]]]]))
    tensor([[[[1.0000, 1.5000, 2.0000]]]])
    """

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
    """Images brought to a size, or multiplied by a factor: each pixel the nearest of the input.

    (n, c, height, width) to (n, c, *size).

    >>> import alight as torch
    >>> torch.nn.UpsamplingNearest2d(scale_factor=2)(torch.tensor([[[[1., 2.]]]]))
    tensor([[[[1., 1., 2., 2.],
              [1., 1., 2., 2.]]]])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Images brought to a size, or multiplied by a factor: bilinear, with corner pixels aligned.

    (n, c, height, width) to (n, c, *size).

    >>> import alight as torch
    >>> torch.nn.UpsamplingBilinear2d(size=(1, 3))(torch.tensor([[[[1., 2.]]]]))
    tensor([[[[1.0000, 1.5000, 2.0000]]]])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class CosineSimilarity(Module):
    """The cosine of the angle between x1 and x2 along `dim`.

    x1 . x2 / (|x1| |x2|), with norms of at least eps. (*, k, *) and (*, k, *), broadcast
    against each other, to the shape without dimension `dim`.

    >>> import alight as torch
    >>> torch.nn.CosineSimilarity(dim=1)(torch.tensor([[1., 0.]]), torch.tensor([[1., 1.]]))
    tensor([0.7071])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """functional.cosine_similarity."""
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of x1 - x2 + eps along the last dimension.

    (n, k) or (k,) twice, to (n,) or (), with keepdim to (n, 1) or (1,).

    >>> import alight as torch
    >>> torch.nn.PairwiseDistance()(torch.tensor([[3., 4.]]), torch.zeros(1, 2))
    tensor([5.0000])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """functional.pairwise_distance."""
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
