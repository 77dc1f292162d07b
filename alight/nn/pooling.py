"""Pooling layers: maxima and averages of windows, fixed or adapted to an output size."""

from __future__ import annotations

from typing import Any

from alight.nn import functional as F
from alight.nn.module import Module
from alight.ops.nn.convolution import per_dimension

Tensor = Any
Ints = Any


class _MaxPool(Module):
    """Common part of the max pooling layers."""

    count: int

    def __init__(
        self, kernel_size: Ints, stride: Ints = None, padding: Ints = 0, dilation: Ints = 1, return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        """The largest element of each window."""
        pool = getattr(F, f"max_pool{self.count}d")
        return pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self) -> str:
        """The window."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest element of every window of the last dimension.

    (n, c, length) or (c, length) to (n, c, new), where new is (length + 2 padding - dilation
    (kernel_size - 1) - 1) // stride + 1, rounded up with ceil_mode. Arguments and errors are
    those of MaxPool2d.

    >>> import alight as torch
    >>> torch.nn.MaxPool1d(2)(torch.tensor([[[1., 4., 2., 3.]]]))
    tensor([[[4., 3.]]])
    """

    count = 1


class MaxPool2d(_MaxPool):
    """The largest element of every window of the last two dimensions.

    (n, c, height, width) or (c, height, width) to (n, c, new height, new width), where new is
    (extent + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1, rounded up with
    ceil_mode.

    - kernel_size, padding, dilation: an int, or one for each dimension
    - stride: the step between windows; kernel_size if none is given
    - return_indices: also give each maximum's place in its image, for MaxUnpool2d

    RuntimeError where padding is more than half the window, or the output would be empty.

    >>> import alight as torch
    >>> x = torch.arange(16.).reshape(1, 1, 4, 4)
    >>> torch.nn.MaxPool2d(2)(x)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    >>> torch.nn.MaxPool2d(3, stride=2, padding=1)(x).shape
    torch.Size([1, 1, 2, 2])
    """

    count = 2

    def forward(self, input: Tensor) -> Any:
        """The largest element of each window."""
        return F.max_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class MaxPool3d(_MaxPool):
    """The largest element of every window of the last three dimensions.

    (n, c, depth, height, width) or without n, to (n, c, new depth, new height, new width);
    extents, arguments and errors are those of MaxPool2d.

    >>> import alight as torch
    >>> torch.nn.MaxPool3d(2)(torch.ones(1, 1, 4, 4, 6)).shape
    torch.Size([1, 1, 2, 2, 3])
    """

    count = 3


class AvgPool1d(Module):
    """The mean of every window of the last dimension.

    (n, c, length) or (c, length) to (n, c, new), where new is (length + 2 padding -
    kernel_size) // stride + 1, rounded up with ceil_mode. Arguments and errors are those of
    AvgPool2d.

    >>> import alight as torch
    >>> torch.nn.AvgPool1d(2)(torch.tensor([[[1., 3., 5., 7.]]]))
    tensor([[[2., 6.]]])
    """

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = (
            (one,) if isinstance(one, int) else one
            for one in (kernel_size, kernel_size if stride is None else stride, padding)
        )
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        """The mean of each window."""
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )

    def extra_repr(self) -> str:
        """The window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """The mean of every window of the last two dimensions.

    (n, c, height, width) or (c, height, width) to (n, c, new height, new width), where new is
    (extent + 2 padding - kernel_size) // stride + 1, rounded up with ceil_mode. `stride` is
    kernel_size if none is given. Padded zeros count in the mean unless count_include_pad=False;
    divisor_override divides by another number. RuntimeError where padding is more than half the
    window.

    >>> import alight as torch
    >>> torch.nn.AvgPool2d(2)(torch.arange(16.).reshape(1, 1, 4, 4))
    tensor([[[[ 2.5000,  4.5000],
              [10.5000, 12.5000]]]])
    """

    def __init__(
        self, kernel_size: Ints, stride: Ints = None, padding: Ints = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """The mean of each window."""
        return F.avg_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
            self.divisor_override,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """The window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool3d(AvgPool2d):
    """The mean of every window of the last three dimensions.

    (n, c, depth, height, width) or without n, to (n, c, new depth, new height, new width);
    extents, arguments and errors are those of AvgPool2d.

    >>> import alight as torch
    >>> torch.nn.AvgPool3d(2)(torch.ones(1, 1, 4, 4, 6)).shape
    torch.Size([1, 1, 2, 2, 3])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The mean of each window."""
        return F.avg_pool3d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
            self.divisor_override,
        )  # fmt: skip


class _LPPool(Module):
    """Common part of the power-average pooling layers."""

    count: int

    def __init__(
        self, norm_type: float, kernel_size: Ints, stride: Ints = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = (
            norm_type,
            kernel_size,
            stride,
            ceil_mode,
        )

    def forward(self, input: Tensor) -> Tensor:
        """The norm of each window."""
        pool = getattr(F, f"lp_pool{self.count}d")
        return pool(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        """The window."""
        return f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, ceil_mode={self.ceil_mode}"


class LPPool1d(_LPPool):
    """The norm of every window of the last dimension: (sum of x ** norm_type) ** (1 / norm_type).

    (n, c, length) or (c, length) to (n, c, new), where new is (length - kernel_size) // stride
    + 1, rounded up with ceil_mode; `stride` is kernel_size if none is given.

    >>> import alight as torch
    >>> torch.nn.LPPool1d(2, kernel_size=2)(torch.tensor([[[3., 4., 6., 8.]]]))
    tensor([[[ 5., 10.]]])
    """

    count = 1


class LPPool2d(_LPPool):
    """The norm of every window of the last two dimensions: (sum of x ** norm_type) ** (1 /
    norm_type).

    (n, c, height, width) or (c, height, width) to (n, c, new height, new width), where new is
    (extent - kernel_size) // stride + 1, rounded up with ceil_mode; `stride` is kernel_size if
    none is given.

    >>> import alight as torch
    >>> torch.nn.LPPool2d(2, kernel_size=2)(torch.ones(1, 1, 2, 4))
    tensor([[[[2., 2.]]]])
    """

    count = 2


class LPPool3d(_LPPool):
    """The norm of every window of the last three dimensions, as LPPool2d for two.

    (n, c, depth, height, width) or without n, to (n, c, new depth, new height, new width),
    where new is (extent - kernel_size) // stride + 1, rounded up with ceil_mode.

    >>> import alight as torch
    >>> torch.nn.LPPool3d(2, kernel_size=2)(torch.ones(1, 1, 2, 4, 4)).shape
    torch.Size([1, 1, 1, 2, 2])
    """

    count = 3


class _MaxUnpool(Module):
    """Common part of the layers that undo max pooling.

    Differs: an index outside raises IndexError, where PyTorch raises RuntimeError.
    """

    count: int

    def __init__(self, kernel_size: Ints, stride: Ints = None, padding: Ints = 0) -> None:
        super().__init__()
        self.kernel_size = per_dimension(kernel_size, self.count, "kernel_size")
        self.stride = (
            self.kernel_size if stride is None else per_dimension(stride, self.count, "stride")
        )
        self.padding = per_dimension(padding, self.count, "padding")

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """Elements back at the places that max pooling found them at."""
        unpool = getattr(F, f"max_unpool{self.count}d")
        return unpool(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        """The window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Undoes MaxPool1d: the maxima at the places that it found them at, zeros elsewhere.

    (n, c, length) and indices of that shape to (n, c, new), where new is (length - 1) stride -
    2 padding + kernel_size, or given as output_size in the call. IndexError where an index lies
    outside.

    >>> import alight as torch
    >>> pool = torch.nn.MaxPool1d(2, return_indices=True)
    >>> torch.nn.MaxUnpool1d(2)(*pool(torch.tensor([[[1., 4., 2., 3.]]])))
    tensor([[[0., 4., 0., 3.]]])
    """

    count = 1


class MaxUnpool2d(_MaxUnpool):
    """Undoes MaxPool2d: the maxima at the places that it found them at, zeros elsewhere.

    (n, c, height, width) and indices of that shape to (n, c, new height, new width), where new
    is (extent - 1) stride - 2 padding + kernel_size, or given as output_size in the call.
    IndexError where an index lies outside.

    >>> import alight as torch
    >>> pool = torch.nn.MaxPool2d(2, return_indices=True)
    >>> torch.nn.MaxUnpool2d(2)(*pool(torch.arange(8.).reshape(1, 1, 2, 4)))
    tensor([[[[0., 0., 0., 0.],
              [0., 5., 0., 7.]]]])
    """

    count = 2


class MaxUnpool3d(_MaxUnpool):
    """Undoes MaxPool3d: the maxima at the places that it found them at, zeros elsewhere.

    (n, c, depth, height, width) and indices of that shape to (n, c, new depth, new height, new
    width), extents as for MaxUnpool2d.

    >>> import alight as torch
    >>> pool = torch.nn.MaxPool3d(2, return_indices=True)
    >>> torch.nn.MaxUnpool3d(2)(*pool(torch.ones(1, 1, 2, 4, 4))).shape
    torch.Size([1, 1, 2, 4, 4])
    """

    count = 3


class _FractionalMaxPool(Module):
    """Common part of the layers that pool windows at random places."""

    count: int

    def __init__(
        self,
        kernel_size: Ints,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = per_dimension(kernel_size, self.count, "kernel_size")
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = output_size
        if output_size is not None:
            self.output_size = per_dimension(output_size, self.count, "output_size")
        single = isinstance(output_ratio, (int, float))
        self.output_ratio = (output_ratio,) * self.count if single else output_ratio
        if output_size is None and output_ratio is None:
            raise ValueError(
                f"{name} requires specifying either an output size, or a pooling ratio"
            )
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < one < 1 for one in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Tensor) -> Any:
        """Maxima of windows at random places."""
        pool = getattr(F, f"fractional_max_pool{self.count}d")
        return pool(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )  # fmt: skip


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest element of windows at random places of the last two dimensions (Graham 2014).

    (n, c, height, width) or (c, height, width) to (n, c, *output_size), or to output_ratio
    times the extents. ValueError where neither or both are given, or a ratio is not between 0
    and 1.

    >>> import alight as torch
    >>> torch.nn.FractionalMaxPool2d(2, output_ratio=0.5)(torch.ones(1, 1, 8, 8)).shape
    torch.Size([1, 1, 4, 4])
    """

    count = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """The largest element of windows at random places of the last three dimensions (Graham 2014).

    (n, c, depth, height, width) or without n, to (n, c, *output_size), or to output_ratio times
    the extents. ValueError where neither or both are given, or a ratio is not between 0 and 1.

    >>> import alight as torch
    >>> torch.nn.FractionalMaxPool3d(2, output_size=3)(torch.ones(1, 1, 8, 8, 8)).shape
    torch.Size([1, 1, 3, 3, 3])
    """

    count = 3


class _AdaptivePool(Module):
    """Common part of the pooling layers that are given an output size."""

    pool: str

    def __init__(self, output_size: Ints) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """Pooled to the output size."""
        return getattr(F, self.pool)(input, self.output_size)

    def extra_repr(self) -> str:
        """The output size."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptivePool):
    """Means over output_size parts of the last dimension, whatever its extent.

    (n, c, length) or (c, length) to (n, c, output_size). Part i reaches from i length //
    output_size to the next one's start, rounded up.

    >>> import alight as torch
    >>> torch.nn.AdaptiveAvgPool1d(2)(torch.tensor([[[1., 3., 5., 7.]]]))
    tensor([[[2., 6.]]])
    """

    pool = "adaptive_avg_pool1d"


class AdaptiveAvgPool2d(_AdaptivePool):
    """Means over output_size parts of the last two dimensions, whatever their extents.

    (n, c, height, width) or (c, height, width) to (n, c, *output_size); an int serves for both,
    None keeps the input's extent. AdaptiveAvgPool2d(1) is global average pooling.

    >>> import alight as torch
    >>> torch.nn.AdaptiveAvgPool2d(1)(torch.ones(1, 3, 4, 4)).shape
    torch.Size([1, 3, 1, 1])
    >>> torch.nn.AdaptiveAvgPool2d((2, None))(torch.ones(1, 3, 4, 5)).shape
    torch.Size([1, 3, 2, 5])
    """

    pool = "adaptive_avg_pool2d"


class AdaptiveAvgPool3d(_AdaptivePool):
    """Means over output_size parts of the last three dimensions, whatever their extents.

    (n, c, depth, height, width) or without n, to (n, c, *output_size); an int serves for all,
    None keeps the input's extent.

    >>> import alight as torch
    >>> torch.nn.AdaptiveAvgPool3d(2)(torch.ones(1, 3, 4, 5, 6)).shape
    torch.Size([1, 3, 2, 2, 2])
    """

    pool = "adaptive_avg_pool3d"


class _AdaptiveMaxPool(_AdaptivePool):
    """Common part of the max pooling layers that are given an output size."""

    def __init__(self, output_size: Ints, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        """Pooled to the output size."""
        return getattr(F, self.pool)(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maxima over output_size parts of the last dimension, whatever its extent.

    (n, c, length) or (c, length) to (n, c, output_size), and with return_indices their places.

    >>> import alight as torch
    >>> torch.nn.AdaptiveMaxPool1d(2)(torch.tensor([[[1., 4., 2., 3.]]]))
    tensor([[[4., 3.]]])
    """

    pool = "adaptive_max_pool1d"


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maxima over output_size parts of the last two dimensions, whatever their extents.

    (n, c, height, width) or (c, height, width) to (n, c, *output_size), and with return_indices
    their places in the image; an int serves for both, None keeps the input's extent.

    >>> import alight as torch
    >>> torch.nn.AdaptiveMaxPool2d(1)(torch.arange(16.).reshape(1, 1, 4, 4))
    tensor([[[[15.]]]])
    """

    pool = "adaptive_max_pool2d"


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Maxima over output_size parts of the last three dimensions, whatever their extents.

    (n, c, depth, height, width) or without n, to (n, c, *output_size), and with return_indices
    their places; an int serves for all, None keeps the input's extent.

    >>> import alight as torch
    >>> torch.nn.AdaptiveMaxPool3d((2, 2, 1))(torch.ones(1, 3, 4, 5, 6)).shape
    torch.Size([1, 3, 2, 2, 1])
    """

    pool = "adaptive_max_pool3d"
