"""Random numbers written into a tensor: `uniform_`, `normal_` and the other distributions, in the order of its memory."""

from __future__ import annotations

from typing import Any

from alight.backends.base import backend_of
from alight.dtypes import bool_, float64
from alight.dtypes import dtype as Dtype
from alight.errors import fail
from alight.ops.arguments import scalar_type_name
from alight.ops.docstrings import with_example
from alight.ops.operation import function
from alight.ops.random import _engine, _fills, _normal, _uniform, fill
from alight.ops.unsigned import refuse_tensor
from alight.tensor import Tensor


@function("", methods="uniform_")
def uniform_(
    self: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Any = None, **given: float
) -> Tensor:
    """Fill with numbers evenly spread over [a, b), which PyTorch calls `from` and `to`.

    Shapes: any, kept.
    Errors: RuntimeError where a is above b, TypeError for keywords that it does not know.

    >>> import alight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.empty(2).uniform_(0, 10)
    tensor([4.9626, 7.6822])
    """
    a, b = given.pop("from", a), given.pop("to", b)
    if given:
        fail(TypeError, f"uniform_() got an unexpected keyword argument '{next(iter(given))}'")
    if a > b:
        fail(
            RuntimeError,
            f"uniform_ expects to return a [from, to) range, but found from={float(a):g} > to={float(b):g}",
        )
    return fill(self, lambda n: _uniform(_engine(generator), n, self.dtype, float(a), float(b)))


@function("", methods="normal_")
def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with normal numbers.

    Shapes: any, kept.
    Errors: RuntimeError for a negative std.

    >>> import alight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.empty(2).normal_()
    tensor([ 1.5410, -0.2934])
    """
    contiguous = self.is_contiguous()
    return fill(
        self,
        lambda n: _normal(_engine(generator), n, self.dtype, float(mean), float(std), contiguous),
    )


@function("", methods="random_")
def random_(
    self: Tensor,
    low: int | None = None,
    to: int | None = None,
    *,
    generator: Any = None,
    **given: Any,
) -> Tensor:
    """Fill with whole numbers: over the dtype's range, below `low`, or from `low` up to `to`.

    Shapes: any, kept.
    Errors: RuntimeError where there is nothing from low up to `to`.

    >>> import alight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.empty(3).random_(10)
    tensor([4., 9., 3.])
    """
    refuse_tensor("random_kernel_cpu", self)
    low = given.get("from", low)
    engine = _engine(generator)
    if low is None and to is None:
        return fill(self, lambda n: _fills().full_range(engine, n, self.dtype))
    start, stop = (0, low) if to is None else (low or 0, to)
    assert stop is not None
    if start >= stop:
        fail(
            RuntimeError,
            f"random_ expects 'from' to be less than 'to', but got from={start} >= to={stop}",
        )
    return fill(self, lambda n: _fills().integers(engine, n, start, stop, self.dtype))


@function("", methods="bernoulli_")
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fill with 1 with probability p (a number or a tensor), else 0.

    Shapes: any, kept.
    Errors: RuntimeError for a probability outside [0, 1].

    >>> import alight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.empty(3).bernoulli_(1.0)
    tensor([1., 1., 1.])
    """
    engine = _engine(generator)
    given, of = p, float64
    if isinstance(p, Tensor):
        of = p.dtype
        given = p.detach().expand(self.shape).contiguous().flush("bernoulli_").reshape(-1)
        inside = bool(((given >= 0) & (given <= 1)).all())
    else:
        inside = 0 <= p <= 1
    if not inside:
        fail(
            RuntimeError,
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be improved?  If so, "
            "please report an enhancement request to PyTorch.)"
            if isinstance(p, Tensor)
            else f"bernoulli_ expects p to be in [0, 1], but got p={p}",
        )
    backend = backend_of(self.device)
    return fill(
        self, lambda n: backend.from_host(_fills().bernoulli(engine, n, given, of), self.dtype)
    )


def _simple(
    name: str, doc: str, shown: str, check: str, check_dtype: Any, **defaults: float | None
) -> None:
    """`shown` is what the first two numbers of seed 0 print."""
    names = list(defaults)

    def method(self: Tensor, *args: float, generator: Any = None, **given: float) -> Tensor:
        values: dict[str, Any] = {**defaults, **dict(zip(names, args, strict=False)), **given}
        missing = [one for one in names if values[one] is None]
        if missing:
            fail(TypeError, f'{name}_() missing 1 required positional arguments: "{missing[0]}"')
        check_dtype(name, self.dtype)
        last = values[names[-1]]
        shown = {"lambd": "lambda"}.get(names[-1], names[-1])
        if check == "share" and not 0 < last < 1:
            fail(RuntimeError, f"{name}_ expects {shown} to be in (0, 1), but got {shown}={last:g}")
        if check == "positive" and not last > 0:
            fail(RuntimeError, f"{name}_ expects {shown} > 0.0, but found {shown}={last:g}")
        engine = _engine(generator)
        draw = getattr(_fills(), name)
        return fill(
            self, lambda n: draw(engine, n, self.dtype, *(float(values[one]) for one in names))
        )

    method.__name__ = f"{name}_"
    first = next(iter(defaults)) if check == "share" else None
    call = f"_ = torch.manual_seed(0)\n>>> torch.empty(2).{name}_({'0.5' if first else ''})"
    method.__doc__ = with_example(doc + _SHAPES_AND_ERRORS, call, f"tensor([{shown}])")
    function("", methods=f"{name}_")(method)


_SHAPES_AND_ERRORS = """

Shapes: any, kept.
Errors: RuntimeError for a parameter that makes no distribution, and for a dtype that cannot hold the numbers."""
_CPP_NAMES = {
    "uint8": "unsigned char", "int8": "signed char", "int16": "short", "int32": "int", "int64": "long int",
    "bool": "bool", "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip


def _continuous(name: str, of: Dtype) -> None:
    if not of.is_floating_point:
        shown = scalar_type_name(of) if name == "exponential" else _CPP_NAMES[of.name]
        fail(
            RuntimeError,
            f"{name.capitalize()} distribution is a continuous probability distribution. dtype must be a floating point "
            f"but you specified {shown}",
        )


def _on_cpu(name: str, of: Dtype) -> None:
    if of.is_complex or of is bool_ or (name == "log_normal" and not of.is_floating_point):
        fail(NotImplementedError, f"\"{name}_cpu\" not implemented for '{scalar_type_name(of)}'")


_simple(
    "exponential",
    "Fill with waiting times of rate lambd.",
    "3.5083, 1.2304",
    "positive",
    _continuous,
    lambd=1.0,
)
_simple(
    "geometric", "Fill with the number of tries until a success of probability p.", "1., 1.", "share", _on_cpu,
    p=None,
)  # fmt: skip
_simple(
    "cauchy",
    "Fill with Cauchy numbers.",
    "10.5977,  0.7648",
    "positive",
    _continuous,
    median=0.0,
    sigma=1.0,
)
_simple(
    "log_normal",
    "Fill with exponentials of normal numbers.",
    "59.2634,  1.5116",
    "positive",
    _on_cpu,
    mean=1.0,
    std=2.0,
)
