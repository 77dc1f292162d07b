"""The axes of one tensor in another order, as views: transpose, permute, movedim, and the properties T, mT, H, mH."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.errors import fail, warn
from alight.ir.program import Value as Tensor
from alight.ops.arguments import normalize_dim
from alight.ops.operation import METHODS, op

Dims = Any


@op(
    methods="transpose swapaxes swapdims", functions="transpose swapaxes swapdims", view="always",
    aliases="axis0=dim0 axis1=dim1",
)  # fmt: skip
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged; a view.

    Shapes: any; two extents change places.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.zeros(2, 3).transpose(0, 1).shape
    torch.Size([3, 2])
    """
    a, b = normalize_dim(dim0, input.ndim), normalize_dim(dim1, input.ndim)
    order = list(range(input.ndim))
    if order:
        order[a], order[b] = order[b], order[a]
    return p.Permute(input, order=tuple(order))


@op(methods="permute", view="always", varargs="dims")
def permute(input: Tensor, dims: Dims) -> Tensor:
    """Dimension k of the result is dimension dims[k] of the input; a view.

    Shapes: any; the extents in the order of `dims`.
    Errors: RuntimeError for another number of dimensions or one named twice, IndexError for one out
    of range.

    >>> import alight as torch
    >>> torch.zeros(2, 3, 4).permute(2, 0, 1).shape
    torch.Size([4, 2, 3])
    """
    if len(dims) != input.ndim:
        fail(
            RuntimeError,
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {input.ndim} is not equal to len(dims) = {len(dims)}",
            facts=[f"the tensor is {list(input.shape)}"],
            try_=".transpose(i, j) to exchange two of them",
        )
    order = tuple(normalize_dim(dim, input.ndim) for dim in dims)
    if len(set(order)) != len(order):
        fail(RuntimeError, "permute(): duplicate dims are not allowed.")
    return p.Permute(input, order=order)


@op(methods="movedim moveaxis", functions="movedim moveaxis", view="always")
def movedim(input: Tensor, source: Dims, destination: Dims) -> Tensor:
    """Dimensions `source` moved to the places `destination`; the others keep their order.

    Shapes: any; the extents in their new order.
    Errors: RuntimeError where source and destination differ in number or name a dimension twice,
    IndexError for one out of range.

    >>> import alight as torch
    >>> torch.zeros(2, 3, 4).movedim(0, -1).shape
    torch.Size([3, 4, 2])
    """
    sources = (source,) if isinstance(source, int) else source
    targets = (destination,) if isinstance(destination, int) else destination
    if len(sources) != len(targets):
        fail(
            RuntimeError,
            f"movedim: Invalid source or destination dims: source ({list(sources)} dims) should contain the same number "
            f"of dims as destination ({list(targets)} dims)",
        )
    from_axes = [normalize_dim(dim, input.ndim) for dim in sources]
    to_axes = [normalize_dim(dim, input.ndim) for dim in targets]
    for name, given, axes in (("source", sources, from_axes), ("destination", targets, to_axes)):
        if len(set(axes)) != len(axes):
            fail(RuntimeError, f"movedim: repeated dim in `{name}` ({list(given)})")
    moved = dict(zip(to_axes, from_axes, strict=True))
    rest = iter(axis for axis in range(input.ndim) if axis not in moved.values())
    return p.Permute(
        input, order=tuple(moved[i] if i in moved else next(rest) for i in range(input.ndim))
    )


@op(methods="t", view="always")
def t(input: Tensor) -> Tensor:
    """A matrix transposed; a vector or number as it is.

    Shapes: (n, m) gives (m, n); (n,) and () stay.
    Errors: RuntimeError for more than two dimensions.

    >>> import alight as torch
    >>> torch.t(torch.tensor([[1, 2], [3, 4]]))
    tensor([[1, 3],
            [2, 4]])
    """
    if input.ndim > 2:
        fail(RuntimeError, f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return p.Permute(input, order=tuple(reversed(range(input.ndim))))


@op(functions="", view="always")
def _reversed_axes(input: Tensor) -> Tensor:
    """All dimensions in reverse order: x.T."""
    return p.Permute(input, order=tuple(reversed(range(input.ndim))))


@op(methods="adjoint", view="always")
def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged, and complex numbers conjugated.

    Shapes: (*, n, m) gives (*, m, n).
    Errors: RuntimeError for one dimension.

    >>> import alight as torch
    >>> torch.adjoint(torch.tensor([[1, 2j]]))
    tensor([[1.-0.j],
            [0.-2.j]])
    """
    if input.ndim < 2:
        fail(RuntimeError, "tensor.adjoint() is only supported on matrices or batches of matrices. "
             f"Got {input.ndim}-D tensor.")  # fmt: skip
    return _conjugated(p.Permute(input, order=_last_two_exchanged(input.ndim)))


def _last_two_exchanged(ndim: int) -> tuple[int, ...]:
    return (*range(ndim - 2), ndim - 1, ndim - 2)


def _conjugated(x: Tensor) -> Tensor:
    return p.Conj(x) if x.dtype.is_complex else x


def _matrix_transposed(self: Any) -> Any:
    """The last two dimensions exchanged."""
    if self.ndim < 2:
        fail(
            RuntimeError,
            f"tensor.mT is only supported on matrices or batches of matrices. Got {self.ndim}-D tensor.",
        )
    return self.transpose(-2, -1)


def _hermitian(self: Any) -> Any:
    """A matrix transposed and conjugated."""
    if self.ndim not in (0, 2):
        fail(
            RuntimeError,
            f"tensor.H is only supported on matrices (2-D tensors). Got {self.ndim}-D tensor.",
        )
    return self.adjoint() if self.ndim else self


def _reversed(self: Any) -> Any:
    """All dimensions in reverse order."""
    if len(self._meta.shape) != 2:
        _warn_of_reversal(len(self._meta.shape))
    return _reversed_axes(self)


def _warn_of_reversal(ndim: int) -> None:
    if ndim:
        warn(
            f"x.T of a tensor of {ndim} dimensions puts them all in reverse order, which PyTorch is going to refuse; "
            "x.mT transposes each matrix of a batch, x.permute(...) names an order"
        )
    else:
        warn("x.T of a number is the number itself; PyTorch is going to refuse it")


METHODS["T"] = property(_reversed)
METHODS["mT"] = property(_matrix_transposed)
METHODS["H"] = property(_hermitian)
METHODS["mH"] = property(
    lambda self: self.adjoint(), doc="The last two dimensions exchanged, conjugated."
)
