"""The printed form of a tensor: PyTorch's, character for character.

In: a function that reads elements, a shape, a dtype and what else is shown. Out: text. The
invariant: of a tensor with more elements than the threshold, only those at the edges are read.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from alight.dtypes import bool_, complex64, complex128, dtype, float32, float64, int64

# Reads the elements at the given positions along each axis, as nested lists of Python numbers: of a
# NumPy array, `lambda positions: array[numpy.ix_(*positions)].tolist()`.
Reader = Callable[[tuple[Sequence[int], ...]], Any]


class PrintOptions(NamedTuple):
    """How tensors are printed; `set_printoptions` explains the fields."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PROFILES: dict[str | None, dict[str, Any]] = {
    None: {},
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}
_options = PrintOptions()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors are printed; what is not given stays, except `sci_mode`.

    precision: digits after the point. threshold: a tensor of more elements is summarised.
    edgeitems: elements shown at both ends of each dimension of a summary. linewidth: characters of
    a line. profile: "default", "short" or "full", a set of the above. sci_mode: True or False for
    scientific notation or not, None to choose by the values.

    >>> set_printoptions(precision=2)
    >>> get_printoptions()["precision"]
    2
    >>> set_printoptions(profile="default")
    """
    global _options
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    chosen = PROFILES.get(profile, {}) | {k: v for k, v in given.items() if v is not None}
    _options = _options._replace(**chosen, sci_mode=sci_mode)


def get_printoptions() -> dict[str, Any]:
    """The options in force, as keyword arguments of `set_printoptions`."""
    return _options._asdict()


@contextlib.contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Within the block, print with the given options of `set_printoptions`."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


def format_tensor(
    read: Reader | None,
    shape: Sequence[int],
    of: dtype,
    *,
    default_dtype: dtype = float32,
    device: str = "",
    grad_fn: str = "",
    requires_grad: bool = False,
    name: str = "tensor",
    parameter: bool = False,
    options: PrintOptions | None = None,
) -> str:
    """The text of a tensor of dtype `of`; `read` is None where there are no elements (meta).

    `device` and `grad_fn` are shown unless empty, `requires_grad` where there is no `grad_fn`.
    `name` is the class's, "tensor" for Tensor and Parameter; a `parameter` gets its heading.

    >>> format_tensor(lambda positions: [1.5, -2.0], (2,), float32, requires_grad=True)
    'tensor([ 1.5000, -2.0000], requires_grad=True)'
    """
    options = options or _options
    opening = name + "("
    empty = 0 in shape
    if read is None:
        body = "..."
    elif empty:
        body = "[]"
    else:
        body = _elements(read, shape, of, len(opening), options)

    suffixes = [f"device='{device}'"] if device else []
    if read is None or (empty and len(shape) != 1) or (not empty and not options.edgeitems):
        suffixes.append(f"size={tuple(shape)}")
    if of not in _implied_dtypes(default_dtype, guessable=read is not None and not empty):
        suffixes.append(f"dtype={of!r}")
    if grad_fn:
        suffixes.append(f"grad_fn=<{grad_fn}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    text = _append(opening + body, suffixes, len(opening), options.linewidth)
    return "Parameter containing:\n" + text if parameter else text


def _implied_dtypes(default: dtype, guessable: bool) -> tuple[dtype, ...]:
    """The dtypes that go without saying: `tensor` would give them to the printed elements."""
    if not guessable:
        return (default,)
    return (default, complex128 if default is float64 else complex64, int64, bool_)


def _append(text: str, suffixes: Sequence[str], indent: int, linewidth: int) -> str:
    """Add the suffixes and the closing bracket, with line breaks where PyTorch has them."""
    length = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if length + len(suffix) + 2 > linewidth:
            text += ",\n" + " " * indent + suffix
            length = indent + len(suffix)
        else:
            text += ", " + suffix
            length += len(suffix) + 2
    return text + ")"


# --- elements ---------------------------------------------------------------------------


def _elements(
    read: Reader, shape: Sequence[int], of: dtype, indent: int, options: PrintOptions
) -> str:
    """The bracketed elements, or a summary of them."""
    cut = options.edgeitems if math.prod(shape) > options.threshold else None
    values = read(tuple(_positions(size, cut) for size in shape))
    write, width = _column(list(_flat(values, len(shape))), of, options)

    def brackets(values: Any, axis: int, indent: int) -> str:
        if axis == len(shape):
            return write(values)
        parts = [brackets(one, axis + 1, indent + 1) for one in values]
        last = axis == len(shape) - 1
        if cut is not None and shape[axis] > 2 * cut:
            parts.insert(cut, " ..." if last and cut else "...")
        if last:
            a_line = max(1, (options.linewidth - indent) // (width + 2))
            parts = [", ".join(parts[at : at + a_line]) for at in range(0, len(parts), a_line)]
        breaks = "\n" * max(1, len(shape) - axis - 1)
        return "[" + ("," + breaks + " " * (indent + 1)).join(parts) + "]"

    return brackets(values, 0, indent)


def _positions(size: int, cut: int | None) -> Sequence[int]:
    """Where along an axis elements are shown: everywhere, or `cut` of them at both ends."""
    if cut is None or size <= 2 * cut:
        return range(size)
    return [*range(cut), *range(size - cut, size)]


def _flat(values: Any, depth: int) -> Iterator[Any]:
    if depth == 0:
        yield values
    else:
        for one in values:
            yield from _flat(one, depth - 1)


Column = tuple[Callable[[Any], str], int]  # how to write an element, and how wide that gets


def _column(values: list[Any], of: dtype, options: PrintOptions) -> Column:
    """The common form of all shown elements."""
    if of.is_complex:
        return _complex_column(values, options)
    if of.is_floating_point:
        return _float_column(values, options)
    width = max((len(str(value)) for value in values), default=1)
    return lambda value: str(value).rjust(width), width


def _float_column(values: list[float], options: PrintOptions) -> Column:
    """Whole numbers as `3.`, others with `precision` digits; scientific if large, small, mixed."""
    finite = [value for value in values if value != 0 and math.isfinite(value)]
    whole, scientific = all(value.is_integer() for value in finite), False
    if finite:
        largest, smallest = max(map(abs, finite)), min(map(abs, finite))
        scientific = largest / smallest > 1000.0 or largest > 1e8 or smallest < 1e-4
        if options.sci_mode is not None:
            scientific = options.sci_mode
    kind = f".{options.precision}e" if scientific else ".0f" if whole else f".{options.precision}f"
    point = "." if whole and not scientific else ""
    width = max((len(format(value, kind) + point) for value in finite), default=1)

    def write(value: float) -> str:
        text = format(value, kind)
        return (text + point if math.isfinite(value) else text).rjust(width)

    return write, width


def _complex_column(values: list[complex], options: PrintOptions) -> Column:
    """Real and imaginary parts have a form each; the sign of the latter joins them."""
    write_real, real_width = _float_column([value.real for value in values], options)
    write_imag, imag_width = _float_column([value.imag for value in values], options)

    def write(value: complex) -> str:
        imag = write_imag(value.imag).lstrip()
        return write_real(value.real) + ("" if imag[0] == "-" else "+") + imag + "j"

    return write, real_width + imag_width + 1
