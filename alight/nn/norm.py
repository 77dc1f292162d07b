"""Normalisation layers: batches, layers, groups, instances, root mean squares."""

from __future__ import annotations

from typing import Any

from alight.dtypes import int64
from alight.errors import fail
from alight.ir.types import Type
from alight.nn import functional as F
from alight.nn import init
from alight.nn.linear import Lazy
from alight.nn.module import Module
from alight.nn.parameter import UninitializedParameter, new_parameter
from alight.ops.arguments import default_dtype
from alight.ops.creation import resolve_device
from alight.ops.operation import TORCH
from alight.tensor import filled

Tensor = Any


class _NormBase(Module):
    """Common part of the layers that keep running statistics of channels."""

    _version = 2
    ranks: tuple[int, ...] = ()

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, device: Any = None, dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(
                name, new_parameter(num_features, device=device, dtype=dtype) if wanted else None
            )
        place = resolve_device(device)
        statistics = Type((num_features,), dtype or default_dtype(), place)
        # At once, as parameters: else the first step that reads them is another program than all later ones.
        for name, of in (
            ("running_mean", statistics),
            ("running_var", statistics),
            ("num_batches_tracked", Type((), int64, place)),
        ):
            self.register_buffer(name, filled(of) if track_running_stats else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batches."""
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and fresh statistics."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in self.ranks:
            wanted = " or ".join(f"{rank}D" for rank in self.ranks)
            fail(
                ValueError,
                f"expected {wanted} input (got {input.dim()}D input)",
                facts=[f"input is {list(input.shape)}"],
                try_=self._for_rank(input.dim()),
            )

    def _for_rank(self, rank: int) -> str:
        name = type(self).__name__.rstrip("d").rstrip("0123456789")
        sizes = {2: 1, 3: 1, 4: 2, 5: 3}
        if rank in sizes:
            return f"nn.{name}{sizes[rank]}d({self.num_features})"
        return "an input of (batch, channels, ...)"

    def extra_repr(self) -> str:
        """Features and settings."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, strict: bool, missing_keys: list[str],
        unexpected_keys: list[str], error_msgs: list[str],
    ) -> None:  # fmt: skip
        version = local_metadata.get("version")
        key = prefix + "num_batches_tracked"
        if (version is None or version < 2) and self.track_running_stats and key not in state_dict:
            state_dict[key] = (
                TORCH["tensor"](0, dtype=int64)
                if self.num_batches_tracked is None
                else self.num_batches_tracked
            )
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class _BatchNorm(_NormBase):
    """Common part of the batch normalisation layers."""

    def forward(self, input: Tensor) -> Tensor:
        """Each channel (dimension 1) normalised: by the batch in training, by the running statistics in evaluation."""
        self._check_input_dim(input)
        factor = self.momentum
        training = self.training
        mean, variance = self.running_mean, self.running_var
        if training:
            if self.track_running_stats and self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
                if factor is None:  # a cumulative average
                    factor = 1.0 / float(self.num_batches_tracked)
            if not self.track_running_stats:
                mean = variance = None
        return F.batch_norm(
            input,
            mean,
            variance,
            self.weight,
            self.bias,
            training or mean is None,
            factor or 0.0,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation: every feature brought to mean 0 and variance 1, then weighted.

    (n, features) or (n, features, length) to the same shape: (x - mean) / sqrt(variance + eps)
    * weight + bias (Ioffe and Szegedy 2015). While training mean and variance are the batch's,
    and the running ones move towards them by `momentum` (None: a plain average of all batches);
    in evaluation the running ones are used. Parameters: weight, bias (num_features,), or None
    with affine=False. Buffers: running_mean, running_var (num_features,), num_batches_tracked,
    or None with track_running_stats=False. ValueError for other ranks, or for one value a
    channel while training.

    >>> import alight as torch
    >>> layer = torch.nn.BatchNorm1d(2)
    >>> layer(torch.tensor([[1., 2.], [3., 6.]]))
    tensor([[-1.0000, -1.0000],
            [ 1.0000,  1.0000]], grad_fn=<NativeBatchNormBackward0>)
    >>> layer.running_mean
    tensor([0.2000, 0.4000])
    """

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images: every channel brought to mean 0 and variance 1, then
    weighted.

    (n, channels, height, width) to the same shape; statistics are those of a channel over n,
    height and width. Parameters and buffers are those of BatchNorm1d, each (channels,).
    ValueError for other ranks.

    >>> import alight as torch
    >>> layer = torch.nn.BatchNorm2d(3)
    >>> layer(torch.rand(2, 3, 4, 4)).shape
    torch.Size([2, 3, 4, 4])
    >>> layer.weight.shape, layer.num_batches_tracked
    (torch.Size([3]), tensor(1))
    """

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of volumes or videos: (n, channels, depth, height, width) to the same
    shape.

    Parameters and buffers are those of BatchNorm1d, each (channels,). ValueError for other
    ranks.

    >>> import alight as torch
    >>> torch.nn.BatchNorm3d(3)(torch.rand(2, 3, 4, 4, 4)).shape
    torch.Size([2, 3, 4, 4, 4])
    """

    ranks = (5,)


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation of (n, channels, *), with the arguments of BatchNorm1d.

    ValueError for less than 2 dimensions. Differs: statistics are those of this process alone.

    >>> import alight as torch
    >>> torch.nn.SyncBatchNorm(3)(torch.rand(2, 3, 4)).shape
    torch.Size([2, 3, 4])
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            fail(ValueError, f"expected at least 2D input (got {input.dim()}D input)")


class _InstanceNorm(_NormBase):
    """Common part of the instance normalisation layers."""

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
        track_running_stats: bool = False, device: Any = None, dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input: Tensor) -> Tensor:
        """Each channel of each example normalised."""
        self._check_input_dim(input)
        batched = input.dim() == self.ranks[1]
        x = input if batched else input.unsqueeze(0)
        if x.shape[1] != self.num_features:
            if self.affine:
                fail(
                    ValueError,
                    f"expected input's size at dim={1 if batched else 0} to match num_features ({self.num_features}), but "
                    f"got: {x.shape[1]}.",
                )
        use_input = self.training or not self.track_running_stats
        out = F.instance_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            use_input,
            self.momentum or 0.0,
            self.eps,
        )
        return out if batched else out.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation: every channel of every example brought to mean 0 and variance 1.

    (n, channels, length) or (channels, length) to the same shape (Ulyanov et al. 2016).
    Parameters: none, or with affine=True weight, bias (num_features,); running statistics only
    with track_running_stats=True. ValueError for other ranks, or one element a channel while
    training.

    >>> import alight as torch
    >>> torch.nn.InstanceNorm1d(1)(torch.tensor([[[1., 3.]]]))
    tensor([[[-1.0000,  1.0000]]])
    """

    ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of images: every channel of every image brought to mean 0 and
    variance 1.

    (n, channels, height, width) or (channels, height, width) to the same shape. Arguments,
    parameters and errors are those of InstanceNorm1d.

    >>> import alight as torch
    >>> torch.nn.InstanceNorm2d(3)(torch.rand(2, 3, 4, 4)).shape
    torch.Size([2, 3, 4, 4])
    """

    ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of volumes: every channel of every one brought to mean 0 and variance
    1.

    (n, channels, depth, height, width) or without n, to the same shape. Arguments, parameters
    and errors are those of InstanceNorm1d.

    >>> import alight as torch
    >>> torch.nn.InstanceNorm3d(3)(torch.rand(2, 3, 4, 4, 4)).shape
    torch.Size([2, 3, 4, 4, 4])
    """

    ranks = (4, 5)


class LayerNorm(Module):
    """The last dimensions of every example brought to mean 0 and variance 1, then weighted.

    (*, *normalized_shape) to the same shape; normalized_shape is an int for one dimension, or a
    list (Ba et al. 2016). Parameters: weight and bias, both of normalized_shape, or None with
    elementwise_affine=False (bias=False leaves out the bias alone). The same in training and
    evaluation. RuntimeError where the input ends in another shape.

    >>> import alight as torch
    >>> layer = torch.nn.LayerNorm(2)
    >>> layer(torch.tensor([[1., 3.], [5., 5.]]))
    tensor([[-1.0000,  1.0000],
            [ 0.0000,  0.0000]], grad_fn=<NativeLayerNormBackward0>)
    >>> layer.weight.shape
    torch.Size([2])
    """

    def __init__(
        self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.normalized_shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        self.eps, self.elementwise_affine = eps, elementwise_affine
        shape = self.normalized_shape
        for name, wanted in (("weight", elementwise_affine), ("bias", elementwise_affine and bias)):
            self.register_parameter(
                name, new_parameter(*shape, device=device, dtype=dtype) if wanted else None
            )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """The last dimensions brought to mean 0 and variance 1."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Shape and settings."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Division of the last dimensions by the root of their mean square, then a weight.

    (*, *normalized_shape) to the same shape: x / sqrt(mean(x ** 2) + eps) * weight (Zhang and
    Sennrich 2019). Parameters: weight of normalized_shape, or None with
    elementwise_affine=False. eps is the dtype's machine epsilon if none is given. RuntimeError
    where the input ends in another shape.

    >>> import alight as torch
    >>> torch.nn.RMSNorm(2)(torch.tensor([3., 4.]))
    tensor([0.8485, 1.1314], grad_fn=<MulBackward0>)
    """

    def __init__(
        self, normalized_shape: Any, eps: float | None = None, elementwise_affine: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.normalized_shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        self.eps, self.elementwise_affine = eps, elementwise_affine
        shape = self.normalized_shape
        self.register_parameter(
            "weight",
            new_parameter(*shape, device=device, dtype=dtype) if elementwise_affine else None,
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        """The last dimensions divided by the root of their mean square."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Shape and settings."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(Module):
    """Groups of channels of every example brought to mean 0 and variance 1, then weighted.

    (n, num_channels, *) to the same shape (Wu and He 2018). Parameters: weight, bias
    (num_channels,), or None with affine=False. One group is a layer norm over all but n,
    num_channels groups an instance norm. ValueError where num_groups does not divide
    num_channels.

    >>> import alight as torch
    >>> torch.nn.GroupNorm(2, 4)(torch.arange(8.).reshape(1, 4, 2))
    tensor([[[-1.3416, -0.4472],
             [ 0.4472,  1.3416],
             [-1.3416, -0.4472],
             [ 0.4472,  1.3416]]], grad_fn=<NativeGroupNormBackward0>)
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, device: Any = None,
        dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        if num_channels % num_groups:
            fail(
                ValueError,
                f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})",
            )
        self.num_groups, self.num_channels, self.eps, self.affine = (
            num_groups,
            num_channels,
            eps,
            affine,
        )
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(
                name, new_parameter(num_channels, device=device, dtype=dtype) if wanted else None
            )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Groups of channels brought to mean 0 and variance 1."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Groups and settings."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """Division by the squares of the neighbouring channels (Krizhevsky et al. 2012).

    (n, channels, *) to the same shape: x / (k + alpha / size * sum of x ** 2 over `size`
    channels) ** beta.

    >>> import alight as torch
    >>> torch.nn.LocalResponseNorm(2, alpha=1.0)(torch.ones(1, 3, 1))
    tensor([[[0.7378],
             [0.5946],
             [0.5946]]])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        """Normalised over neighbouring channels."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Settings."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(LocalResponseNorm):
    """LocalResponseNorm of images, under its older name: (n, c, height, width) to the same shape.

    >>> import alight as torch
    >>> torch.nn.CrossMapLRN2d(3)(torch.ones(1, 3, 2, 2)).shape
    torch.Size([1, 3, 2, 2])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)


class _LazyNorm(Lazy):
    """Common part of the layers whose num_features the first input tells."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        **rest: Any,
    ) -> None:
        super().__init__(0, eps, momentum, affine, track_running_stats, **rest)
        for name in ("weight", "bias"):
            held = self._parameters[name]
            if held is not None:
                setattr(self, name, UninitializedParameter(device=held.device, dtype=held.dtype))

    def reset_parameters(self) -> None:
        """Nothing to fill before the first input."""
        if self.num_features:
            super().reset_parameters()  # type: ignore[misc]

    def has_uninitialized_params(self) -> bool:
        """Whether the number of features is still to be told."""
        return not self.num_features

    def initialize_parameters(self, input: Tensor) -> None:
        """Shapes from the input's channels."""
        self.num_features = input.shape[
            1 if input.dim() == self.ranks[-1] or self.ranks == (2, 3) else 0
        ]
        shape = (self.num_features,)
        for parameter in self._parameters.values():
            if parameter is not None:
                parameter.materialize(shape)
        if self.track_running_stats:
            self.running_mean = self.running_mean.new_zeros(shape)  # type: ignore[has-type]
            self.running_var = self.running_var.new_ones(shape)  # type: ignore[has-type]
        self.reset_parameters()


_LAZY = """A {base} whose num_features the first input tells; from then on it is a {base}.

    Takes the arguments of {base} without num_features. Until the first call its parameters are
    UninitializedParameter.

    >>> import alight as torch
    >>> layer = torch.nn.Lazy{base}()
    >>> layer(torch.rand{shape}).shape
    torch.Size({out})
    >>> layer.num_features
    3
    """


def _lazy(base: Any) -> Any:
    shape = (2, 3, *(4,) * (base.ranks[-1] - 2))
    doc = _LAZY.format(base=base.__name__, shape=shape, out=list(shape))
    return type(
        f"Lazy{base.__name__}",
        (_LazyNorm, base),
        {"cls_to_become": base, "__doc__": doc, "__module__": __name__},
    )


LazyBatchNorm1d, LazyBatchNorm2d, LazyBatchNorm3d = (
    _lazy(BatchNorm1d),
    _lazy(BatchNorm2d),
    _lazy(BatchNorm3d),
)
LazyInstanceNorm1d, LazyInstanceNorm2d, LazyInstanceNorm3d = (
    _lazy(InstanceNorm1d), _lazy(InstanceNorm2d), _lazy(InstanceNorm3d),
)  # fmt: skip
