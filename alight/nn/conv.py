"""Convolution layers in one, two and three dimensions, and their transposes."""

from __future__ import annotations

import math
from typing import Any

from alight.errors import fail
from alight.nn import functional as F
from alight.nn import init
from alight.nn.linear import Lazy
from alight.nn.module import Module
from alight.nn.parameter import UninitializedParameter, new_parameter

Tensor = Any
Ints = Any


def _tuple(value: Any, count: int) -> tuple[int, ...]:
    return (value,) * count if isinstance(value, int) else tuple(value)


class _ConvNd(Module):
    """Common part of the convolution layers."""

    count: int
    transposed = False
    bias: Any

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Ints, stride: Ints = 1, padding: Any = 0,
        dilation: Ints = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        count = self.count
        if groups <= 0:
            fail(ValueError, "groups must be a positive integer")
        if in_channels % groups:
            fail(
                ValueError,
                "in_channels must be divisible by groups",
                facts=[f"in_channels is {in_channels}, groups is {groups}"],
                try_="groups=1, or groups=in_channels for a kernel for each channel",
            )
        if out_channels % groups:
            fail(
                ValueError,
                "out_channels must be divisible by groups",
                facts=[f"out_channels is {out_channels}, groups is {groups}"],
                try_=f"out_channels={-(-out_channels // groups) * groups}",
            )
        self._check_padding(padding, stride, padding_mode)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride = _tuple(kernel_size, count), _tuple(stride, count)
        self.padding = padding if isinstance(padding, str) else _tuple(padding, count)
        self.dilation, self.output_padding = _tuple(dilation, count), (0,) * count
        self.groups, self.padding_mode = groups, padding_mode
        self._reversed_padding_repeated_twice = self._padding_for_pad()
        self._make_parameters(bias, device, dtype)

    def _check_padding(self, padding: Any, stride: Any, padding_mode: str) -> None:
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                fail(
                    ValueError,
                    f"Invalid padding string '{padding}', should be one of {{'valid', 'same'}}",
                )
            if padding == "same" and any(step != 1 for step in _tuple(stride, self.count)):
                fail(ValueError, "padding='same' is not supported for strided convolutions")
        modes = ("zeros", "reflect", "replicate", "circular")
        if padding_mode not in modes:
            fail(
                ValueError,
                f"padding_mode must be one of {set(modes)}, but got padding_mode='{padding_mode}'",
            )
        if self.transposed and padding_mode != "zeros":
            fail(ValueError, f'Only "zeros" padding mode is supported for {type(self).__name__}')

    def _padding_for_pad(self) -> list[int]:
        """The padding in the order of functional.pad: last dimension first, low and high."""
        pads = []  # type: ignore[var-annotated]
        for i in reversed(range(self.count)):
            if self.padding == "same":
                total = self.dilation[i] * (self.kernel_size[i] - 1)
                pads.extend((total // 2, total - total // 2))
            else:
                pads.extend(
                    (0, 0) if self.padding == "valid" else (self.padding[i], self.padding[i])
                )
        return pads

    def _weight_shape(self) -> tuple[int, ...]:
        ends = self.in_channels, self.out_channels
        first, second = ends if self.transposed else ends[::-1]
        return (first, second // self.groups, *self.kernel_size)

    def _make_parameters(self, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = new_parameter(*self._weight_shape(), device=device, dtype=dtype)
        if bias:
            self.bias = new_parameter(self.out_channels, device=device, dtype=dtype)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight, then bias, evenly within 1 / sqrt(fan in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """Channels and every argument that is not the default."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        count = len(self.kernel_size)
        if self.padding != (0,) * count:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * count:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * count:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input with its padding where zeros are not wanted, and the padding left to do."""
        if self.padding_mode == "zeros":
            return input, self.padding
        return F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode), 0


class Conv1d(_ConvNd):
    """Convolution of sequences: every output channel is a sum of windows times that channel's
    weights.

    (n, in_channels, length) to (n, out_channels, new), where new is (length + 2 padding -
    dilation (kernel_size - 1) - 1) // stride + 1; n may be missing. Parameters: weight
    (out_channels, in_channels / groups, kernel_size), bias (out_channels,). Arguments and
    errors are those of Conv2d.

    >>> import alight as torch
    >>> torch.nn.Conv1d(1, 2, 3)(torch.ones(1, 1, 5)).shape
    torch.Size([1, 2, 3])
    """

    count = 1

    def forward(self, input: Tensor) -> Tensor:
        """(n, in_channels, length) to (n, out_channels, new length)."""
        x, padding = self._padded(input)
        return F.conv1d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv2d(_ConvNd):
    """Convolution of images: every output channel is a sum of windows times that channel's
    weights.

    (n, in_channels, height, width) to (n, out_channels, new height, new width), where new is
    (extent + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1; n may be missing.
    Parameters: weight (out_channels, in_channels / groups, *kernel_size), bias (out_channels,)
    or None with bias=False; drawn evenly within 1 / sqrt(in_channels / groups * window).

    - kernel_size, stride, dilation: an int, or one for each dimension
    - padding: the same, or "valid" for none, or "same" for an output as large as the input
      (stride 1)
    - groups: channels in groups that do not see each other; in_channels for a kernel for each
      channel
    - padding_mode: "zeros", "reflect", "replicate" or "circular"

    ValueError where groups does not divide the channels or a name is unknown; RuntimeError
    where the input has other channels, or is smaller than the window.

    >>> import alight as torch
    >>> layer = torch.nn.Conv2d(3, 8, kernel_size=3, padding=1)
    >>> layer(torch.ones(1, 3, 5, 5)).shape
    torch.Size([1, 8, 5, 5])
    >>> layer.weight.shape, layer.bias.shape
    (torch.Size([8, 3, 3, 3]), torch.Size([8]))
    >>> torch.nn.Conv2d(3, 8, 3, stride=2)(torch.ones(1, 3, 5, 5)).shape
    torch.Size([1, 8, 2, 2])
    """

    count = 2

    def forward(self, input: Tensor) -> Tensor:
        """(n, in_channels, height, width) to (n, out_channels, new height, new width)."""
        if self.padding_mode == "zeros":
            return F.conv2d(
                input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
            )
        x, padding = self._padded(input)
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv3d(_ConvNd):
    """Convolution of volumes or videos: every output channel is a sum of windows times its
    weights.

    (n, in_channels, depth, height, width) to (n, out_channels, new depth, new height, new
    width), where new is (extent + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1; n
    may be missing. Parameters: weight (out_channels, in_channels / groups, *kernel_size), bias
    (out_channels,). Arguments and errors are those of Conv2d.

    >>> import alight as torch
    >>> torch.nn.Conv3d(1, 2, kernel_size=3)(torch.ones(1, 1, 4, 5, 6)).shape
    torch.Size([1, 2, 2, 3, 4])
    """

    count = 3

    def forward(self, input: Tensor) -> Tensor:
        """(n, in_channels, depth, height, width) to (n, out_channels, ...)."""
        x, padding = self._padded(input)
        return F.conv3d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class _ConvTransposeNd(_ConvNd):
    """Common part of the transposed convolution layers."""

    transposed = True

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Ints, stride: Ints = 1, padding: Ints = 0,
        output_padding: Ints = 0, groups: int = 1, bias: bool = True, dilation: Ints = 1, padding_mode: str = "zeros",
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype,
        )  # fmt: skip
        self.output_padding = _tuple(output_padding, self.count)

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        """The transpose of the convolution of the same arguments; `output_size` chooses among possible extents."""
        extra = self._output_padding(input, output_size)
        convolve = getattr(F, f"conv_transpose{self.count}d")
        return convolve(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            extra,
            self.groups,
            self.dilation,
        )

    def _output_padding(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        if output_size is None:
            return self.output_padding
        count, size = self.count, list(output_size)
        if len(size) == input.dim():
            size = size[-count:]
        if len(size) != count:
            fail(
                ValueError,
                f"ConvTranspose{count}D: for {input.dim()}D input, output_size must have {count} or {count + 2} elements "
                f"(got {len(size)})",
            )
        least = [
            (input.shape[input.dim() - count + d] - 1) * self.stride[d] - 2 * self.padding[d]
            + self.dilation[d] * (self.kernel_size[d] - 1) + 1
            for d in range(count)
        ]  # fmt: skip
        most = [low + step - 1 for low, step in zip(least, self.stride, strict=True)]
        if any(not low <= want <= high for low, want, high in zip(least, size, most, strict=True)):
            fail(
                ValueError,
                f"requested an output size of {size}, but valid sizes range from {least} to {most} (for an input of "
                f"{input.shape[2:]})",
            )
        return tuple(want - low for want, low in zip(size, least, strict=True))


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of Conv1d: every input element adds a multiple of the kernel to the output.

    (n, in_channels, length) to (n, out_channels, new), where new is (length - 1) stride - 2
    padding + dilation (kernel_size - 1) + output_padding + 1; n may be missing. Parameters:
    weight (in_channels, out_channels / groups, kernel_size), bias (out_channels,). ValueError
    for a padding_mode other than "zeros".

    >>> import alight as torch
    >>> torch.nn.ConvTranspose1d(1, 2, 3, stride=2)(torch.ones(1, 1, 4)).shape
    torch.Size([1, 2, 9])
    """

    count = 1


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose of Conv2d: every input pixel adds a multiple of the kernel to the output.

    (n, in_channels, height, width) to (n, out_channels, new height, new width), where new is
    (extent - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1; n may be
    missing. Parameters: weight (in_channels, out_channels / groups, *kernel_size), bias
    (out_channels,). Several extents give the same one under a strided Conv2d: `output_padding`,
    or `output_size` in the call, chooses. ValueError where output_size cannot be had or
    padding_mode is not "zeros".

    >>> import alight as torch
    >>> layer = torch.nn.ConvTranspose2d(1, 2, 3, stride=2, padding=1)
    >>> layer(torch.ones(1, 1, 3, 3)).shape
    torch.Size([1, 2, 5, 5])
    >>> layer(torch.ones(1, 1, 3, 3), output_size=(6, 6)).shape
    torch.Size([1, 2, 6, 6])
    """

    count = 2


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose of Conv3d: every input element adds a multiple of the kernel to the output.

    (n, in_channels, depth, height, width) to (n, out_channels, new depth, new height, new
    width), where new is (extent - 1) stride - 2 padding + dilation (kernel_size - 1) +
    output_padding + 1; n may be missing. Parameters: weight (in_channels, out_channels /
    groups, *kernel_size), bias (out_channels,). Errors are those of ConvTranspose2d.

    >>> import alight as torch
    >>> torch.nn.ConvTranspose3d(1, 2, 2, stride=2)(torch.ones(1, 1, 3, 3, 3)).shape
    torch.Size([1, 2, 6, 6, 6])
    """

    count = 3


# -- lazy ---------------------------------------------------------------------------------------------------------------


class _LazyConv(Lazy):
    """Common part of the layers whose in_channels the first input tells."""

    def __init__(self, out_channels: int, kernel_size: Ints, *args: Any, **kwargs: Any) -> None:
        super().__init__(0, out_channels, kernel_size, *args, **kwargs)

    def _make_parameters(self, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)
        else:
            self.register_parameter("bias", None)

    def initialize_parameters(self, input: Tensor, *args: Any) -> None:
        """Shapes from the input's channels, then the usual draw."""
        batched = input.dim() == self.count + 2
        self.in_channels = input.shape[1 if batched else 0]
        if self.in_channels % self.groups:
            fail(ValueError, "in_channels must be divisible by groups")
        self.weight.materialize(self._weight_shape())
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()


_LAZY = """A {base} whose in_channels the first input tells; from then on it is a {base}.

    Takes the arguments of {base} without in_channels. Until the first call its parameters are
    UninitializedParameter.

    >>> import alight as torch
    >>> layer = torch.nn.Lazy{base}(8, kernel_size=3)
    >>> layer(torch.ones{shape}).shape
    {out}
    >>> layer.in_channels
    2
    """


def _lazy(base: Any) -> Any:
    shape = (1, 2, *(5,) * base.count)
    out = [1, 8, *(7 if base.transposed else 3,) * base.count]
    doc = _LAZY.format(base=base.__name__, shape=shape, out=f"torch.Size({out})")
    return type(
        f"Lazy{base.__name__}",
        (_LazyConv, base),
        {"cls_to_become": base, "__doc__": doc, "__module__": __name__},
    )


LazyConv1d, LazyConv2d, LazyConv3d = _lazy(Conv1d), _lazy(Conv2d), _lazy(Conv3d)
LazyConvTranspose1d, LazyConvTranspose2d, LazyConvTranspose3d = (
    _lazy(ConvTranspose1d), _lazy(ConvTranspose2d), _lazy(ConvTranspose3d),
)  # fmt: skip
