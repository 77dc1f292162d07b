"""Activation layers: element-wise functions, and softmax along a dimension."""

from __future__ import annotations

from typing import Any

from alight.nn import functional as F
from alight.nn import init
from alight.nn.module import Module
from alight.nn.parameter import new_parameter

Tensor = Any


def _inplace(inplace: bool, alone: bool = False) -> str:
    if not inplace:
        return ""
    return "inplace=True" if alone else ", inplace=True"


class _InPlace(Module):
    """Common part of activations without other settings than `inplace`."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        """Whether the input is overwritten."""
        return _inplace(self.inplace, alone=True)


class ReLU(_InPlace):
    """The larger of input and 0, element by element; any shape to the same shape.

    `inplace` overwrites the input and saves its memory; RuntimeError where the input is a leaf
    that requires a gradient.

    >>> import alight as torch
    >>> torch.nn.ReLU()(torch.tensor([-1., 2.]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """max(input, 0)."""
        return F.relu(input, self.inplace)


class ReLU6(_InPlace):
    """input limited to [0, 6], element by element; any shape to the same shape (Krizhevsky 2010).

    >>> import alight as torch
    >>> torch.nn.ReLU6()(torch.tensor([-1., 2., 7.]))
    tensor([0., 2., 6.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """min(max(input, 0), 6)."""
        return F.relu6(input, self.inplace)


class SELU(_InPlace):
    """Scaled exponential linear unit: an elu whose constants keep mean 0 and variance 1.

    1.0507 input where it is positive, else 1.7581 (exp(input) - 1) (Klambauer et al. 2017). Any
    shape to the same shape; NotImplementedError for integers.

    >>> import alight as torch
    >>> torch.nn.SELU()(torch.tensor([-1., 1.]))
    tensor([-1.1113,  1.0507])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.selu."""
        return F.selu(input, self.inplace)


class SiLU(_InPlace):
    """input * sigmoid(input), element by element, also known as swish; any shape to the same
    shape.

    (Elfwing et al. 2017; Ramachandran et al. 2017.)

    >>> import alight as torch
    >>> torch.nn.SiLU()(torch.tensor([-1., 0., 2.]))
    tensor([-0.2689,  0.0000,  1.7616])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.silu."""
        return F.silu(input, self.inplace)


class Mish(_InPlace):
    """input * tanh(softplus(input)), element by element; any shape to the same shape (Misra 2019).

    >>> import alight as torch
    >>> torch.nn.Mish()(torch.tensor([-1., 0., 2.]))
    tensor([-0.3034,  0.0000,  1.9440])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.mish."""
        return F.mish(input, self.inplace)


class Hardswish(_InPlace):
    """input * hardsigmoid(input): 0 up to -3, input from 3 on; any shape to the same shape.

    (Howard et al. 2019.)

    >>> import alight as torch
    >>> torch.nn.Hardswish()(torch.tensor([-4., -1., 1., 4.]))
    tensor([-0.0000, -0.3333,  0.6667,  4.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.hardswish."""
        return F.hardswish(input, self.inplace)

    extra_repr = Module.extra_repr


class Hardsigmoid(_InPlace):
    """input / 6 + 1/2, limited to [0, 1]; any shape to the same shape.

    >>> import alight as torch
    >>> torch.nn.Hardsigmoid()(torch.tensor([-4., 0., 1., 4.]))
    tensor([0.0000, 0.5000, 0.6667, 1.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.hardsigmoid."""
        return F.hardsigmoid(input, self.inplace)

    extra_repr = Module.extra_repr


class Sigmoid(Module):
    """1 / (1 + exp(-input)), element by element; any shape to the same shape. Integers become
    floats.

    >>> import alight as torch
    >>> torch.nn.Sigmoid()(torch.tensor([-1., 0., 1.]))
    tensor([0.2689, 0.5000, 0.7311])
    """

    def forward(self, input: Tensor) -> Tensor:
        """sigmoid(input)."""
        return F.sigmoid(input)


class Tanh(Module):
    """Hyperbolic tangent, element by element; any shape to the same shape. Integers become floats.

    >>> import alight as torch
    >>> torch.nn.Tanh()(torch.tensor([-1., 0., 1.]))
    tensor([-0.7616,  0.0000,  0.7616])
    """

    def forward(self, input: Tensor) -> Tensor:
        """tanh(input)."""
        return F.tanh(input)


class LogSigmoid(Module):
    """log(sigmoid(input)) without overflow; any shape to the same shape.

    >>> import alight as torch
    >>> torch.nn.LogSigmoid()(torch.tensor([-100., 0., 1.]))
    tensor([-100.0000,   -0.6931,   -0.3133])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.logsigmoid."""
        return F.logsigmoid(input)


class Softsign(Module):
    """input / (1 + |input|), element by element; any shape to the same shape.

    >>> import alight as torch
    >>> torch.nn.Softsign()(torch.tensor([-3., 0., 1.]))
    tensor([-0.7500,  0.0000,  0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.softsign."""
        return F.softsign(input)


class Tanhshrink(Module):
    """input - tanh(input), element by element; any shape to the same shape.

    >>> import alight as torch
    >>> torch.nn.Tanhshrink()(torch.tensor([-1., 0., 1.]))
    tensor([-0.2384,  0.0000,  0.2384])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.tanhshrink."""
        return F.tanhshrink(input)


class LeakyReLU(Module):
    """input where it is positive, else negative_slope * input; any shape to the same shape.

    (Maas et al. 2013.) `inplace` overwrites the input.

    >>> import alight as torch
    >>> torch.nn.LeakyReLU(0.1)(torch.tensor([-2., 3.]))
    tensor([-0.2000,  3.0000])
    """

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Tensor) -> Tensor:
        """functional.leaky_relu."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """The slope."""
        return f"negative_slope={self.negative_slope}{_inplace(self.inplace)}"


class RReLU(Module):
    """A leaky ReLU with a slope drawn from [lower, upper] for each element while training.

    (Xu et al. 2015.) In evaluation the slope is the mean of the two. Any shape to the same
    shape; RuntimeError where lower is above upper.

    >>> import alight as torch
    >>> torch.nn.RReLU(0.1, 0.3).eval()(torch.tensor([-1., 2.]))
    tensor([-0.2000,  2.0000])
    """

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Tensor) -> Tensor:
        """functional.rrelu."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        """The range of slopes."""
        return f"lower={self.lower}, upper={self.upper}{_inplace(self.inplace)}"


class _Alpha(Module):
    """Common part of ELU and CELU."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def extra_repr(self) -> str:
        """The factor."""
        return f"alpha={self.alpha}{_inplace(self.inplace)}"


class ELU(_Alpha):
    """input where it is positive, else alpha * (exp(input) - 1); any shape to the same shape.

    (Clevert et al. 2015.) NotImplementedError for integers.

    >>> import alight as torch
    >>> torch.nn.ELU()(torch.tensor([-1., 2.]))
    tensor([-0.6321,  2.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.elu."""
        return F.elu(input, self.alpha, self.inplace)


class CELU(_Alpha):
    """input where it is positive, else alpha * (exp(input / alpha) - 1); any shape to the same
    shape.

    (Barron 2017.) alpha is not 0.

    >>> import alight as torch
    >>> torch.nn.CELU(0.5)(torch.tensor([-1., 2.]))
    tensor([-0.4323,  2.0000])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.celu."""
        return F.celu(input, self.alpha, self.inplace)


class Threshold(Module):
    """input where it is above threshold, else value; any shape to the same shape.

    >>> import alight as torch
    >>> torch.nn.Threshold(1.0, -5.0)(torch.tensor([0., 1., 2.]))
    tensor([-5., -5.,  2.])
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: Tensor) -> Tensor:
        """functional.threshold."""
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        """Threshold and value."""
        return f"threshold={self.threshold}, value={self.value}{_inplace(self.inplace)}"


class Hardtanh(Module):
    """input limited to [min_val, max_val]; any shape to the same shape.

    >>> import alight as torch
    >>> torch.nn.Hardtanh()(torch.tensor([-2., 0.5, 2.]))
    tensor([-1.0000,  0.5000,  1.0000])
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace

    def forward(self, input: Tensor) -> Tensor:
        """functional.hardtanh."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        """The limits."""
        return f"min_val={self.min_val}, max_val={self.max_val}{_inplace(self.inplace)}"


class Hardshrink(Module):
    """input where its absolute value is above lambd, else 0; any shape to the same shape.

    >>> import alight as torch
    >>> torch.nn.Hardshrink(0.5)(torch.tensor([-1., 0.3, 0.8]))
    tensor([-1.0000,  0.0000,  0.8000])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """functional.hardshrink."""
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """The limit."""
        return f"{self.lambd}"


class Softshrink(Hardshrink):
    """input moved towards 0 by lambd, and 0 where it is no further away; any shape to the same
    shape.

    RuntimeError where lambd is negative.

    >>> import alight as torch
    >>> torch.nn.Softshrink(0.5)(torch.tensor([-1., 0.3, 0.8]))
    tensor([-0.5000,  0.0000,  0.3000])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.softshrink."""
        return F.softshrink(input, self.lambd)


class GELU(Module):
    """input times the standard normal distribution function of input; any shape to the same shape.

    (Hendrycks and Gimpel 2016.) approximate="tanh" takes
    0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))); RuntimeError for another name.

    >>> import alight as torch
    >>> torch.nn.GELU()(torch.tensor([-1., 1.]))
    tensor([-0.1587,  0.8413])
    >>> torch.nn.GELU(approximate="tanh")(torch.tensor([-1., 1.]))
    tensor([-0.1588,  0.8412])
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """functional.gelu."""
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        """Which formula."""
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """log(1 + exp(beta * input)) / beta, and input itself where beta * input is above threshold.

    Any shape to the same shape.

    >>> import alight as torch
    >>> torch.nn.Softplus()(torch.tensor([-1., 0., 30.]))
    tensor([ 0.3133,  0.6931, 30.0000])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        """functional.softplus."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Settings."""
        return f"beta={self.beta}, threshold={self.threshold}"


class GLU(Module):
    """Gated linear unit: the first half of dimension `dim` times the sigmoid of the second half.

    (*, 2 k, *) to (*, k, *) (Dauphin et al. 2016). RuntimeError where the extent is odd.

    >>> import alight as torch
    >>> torch.nn.GLU()(torch.tensor([[1., 2., 0., 0.]]))
    tensor([[0.5000, 1.0000]])
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """functional.glu."""
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"


class PReLU(Module):
    """input where it is positive, else a learned weight times input; any shape to the same shape.

    Parameters: weight (num_parameters,), at first `init` everywhere. num_parameters is 1, or
    the number of channels (dimension 1 of the input); RuntimeError for another number (He et
    al. 2015).

    >>> import alight as torch
    >>> torch.nn.PReLU()(torch.tensor([-2., 3.]))
    tensor([-0.5000,  3.0000], grad_fn=<PreluKernelBackward0>)
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = new_parameter(num_parameters, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Every weight `init`."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """functional.prelu."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """How many weights."""
        return f"num_parameters={self.num_parameters}"


class _AlongDim(Module):
    """Common part of the softmax layers."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """exp(input) divided by its sum along `dim`: numbers from 0 to 1 that add up to 1.

    Any shape to the same shape; IndexError where there is no dimension `dim`. For the logarithm
    take LogSoftmax, which neither overflows nor underflows.

    >>> import alight as torch
    >>> torch.nn.Softmax(dim=1)(torch.tensor([[0., 0.], [0., 1.]]))
    tensor([[0.5000, 0.5000],
            [0.2689, 0.7311]])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.softmax."""
        return F.softmax(input, self.dim)


class Softmin(_AlongDim):
    """softmax(-input) along `dim`: the smallest element has the largest share.

    Any shape to the same shape.

    >>> import alight as torch
    >>> torch.nn.Softmin(dim=0)(torch.tensor([0., 1.]))
    tensor([0.7311, 0.2689])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.softmin."""
        return F.softmin(input, self.dim)


class LogSoftmax(_AlongDim):
    """log(softmax(input)) along `dim`, without overflow; any shape to the same shape.

    >>> import alight as torch
    >>> torch.nn.LogSoftmax(dim=0)(torch.tensor([0., 1000.]))
    tensor([-1000.,     0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.log_softmax."""
        return F.log_softmax(input, self.dim)


class Softmax2d(Module):
    """softmax over the channels at each place of images.

    (n, c, height, width) or (c, height, width) to the same shape; ValueError for other ranks.

    >>> import alight as torch
    >>> torch.nn.Softmax2d()(torch.zeros(1, 2, 1, 2))
    tensor([[[[0.5000, 0.5000]],
    <BLANKLINE>
             [[0.5000, 0.5000]]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        """softmax along dimension -3."""
        if input.dim() not in (3, 4):
            from alight.errors import fail

            fail(
                ValueError, f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead"
            )
        return F.softmax(input, -3)
