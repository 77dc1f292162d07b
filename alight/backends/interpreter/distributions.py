"""Random numbers from a generator's words, bit for bit those of PyTorch's CPU kernels.

In: a generator, a count of elements and a dtype. Out: a flat NumPy array in memory order; bfloat16
comes as float32 arrays rounded to bfloat16. The invariant: a fill takes the same words of the
stream, in the same order, as PyTorch's fill of as many elements, and leaves the same cached normal.

Formulas: aten/src/ATen/core/TransformationHelper.h and DistributionsHelper.h (transformations),
aten/src/ATen/native/cpu/DistributionTemplates.h (order), native/TensorFactories.cpp (randperm).
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import numpy as np

from alight.backends.interpreter import cephes, few
from alight.backends.interpreter.arrays import Array, numpy_dtype, round_bfloat16
from alight.backends.interpreter.generator import Mt19937
from alight.dtypes import bfloat16, bool_, dtype, float16, float32, float64, int64

# Of sizes that are drawn often: from uniform float32 numbers to standard normal ones, bit for bit as `_blocks_single`.
compiled_blocks: dict[int, Callable[[Array], Array]] = {}

P = ParamSpec("P")
T = TypeVar("T")

CHUNK = 1 << 14  # elements a pass: the float64 work arrays stay in the second-level cache
BLOCK = 16  # PyTorch makes normal numbers in blocks of 8 pairs
WIDE_RANGE = 2**28  # integers of a wider range take 64-bit words
LONG_PERMUTATION = (2**32 - 1) // 20  # so do permutations of this many elements
SIGNIFICAND_BITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def fill(body: Callable[Concatenate[Mt19937, P], T]) -> Callable[Concatenate[Mt19937, P], T]:
    """Hold the generator's lock for the whole of a fill."""

    @functools.wraps(body)
    def locked(generator: Mt19937, *args: P.args, **kwargs: P.kwargs) -> T:
        with generator.lock:
            return body(generator, *args, **kwargs)

    return locked  # type: ignore[return-value]  # mypy: the wrapper's parameter has a name


def cast(values: Array, to: dtype) -> Array:
    """The values in another dtype, as C++ converts them; half precision goes through float32."""
    if values.dtype == numpy_dtype(to) and to is not bfloat16:  # its arrays are float32's
        return values
    with np.errstate(over="ignore"):
        if to is float16:
            return values.astype(np.float32).astype(np.float16)
        if to is bfloat16:
            return round_bfloat16(values.astype(np.float32))
        return values.astype(to.name)


def _scalar(value: float, of: dtype) -> float:
    """The number of dtype `of` nearest to `value`."""
    if of is float64 or value in (0.0, 1.0):
        return float(value)
    return float(cast(np.array([value], np.float64), of)[0])


def _each(function: Callable[[float], float], values: Array) -> Array:
    """The C library's function of each float64 element; NumPy's own differ in the last bit."""
    return np.fromiter(map(function, values.tolist()), np.float64, values.size)


# --- uniform -----------------------------------------------------------------


def _unit_single(generator: Mt19937, n: int) -> Array:
    """float32 in [0, 1) from the low 24 bits of a word each."""
    bits = (generator.words(n) & np.uint32(0xFFFFFF)).view(np.int32)
    return bits.astype(np.float32) * np.float32(2.0**-24)


def _unit_double(generator: Mt19937, n: int) -> Array:
    """float64 in [0, 1) from the low 53 bits of a 64-bit word each."""
    bits = (generator.double_words(n) & np.uint64(2**53 - 1)).view(np.int64)
    return bits.astype(np.float64) * 2.0**-53


def _multiply_add(x: Array, y: float, z: float) -> Array:
    """x * y + z with a single rounding, in x's dtype (float32 or float64)."""
    if x.dtype == np.float32:
        return (x.astype(np.float64) * y + z).astype(np.float32)
    if y == 1.0 or max(abs(y), abs(z)) > 2.0**900:
        return x * y + z
    # Exact product and sum with their errors: Dekker 1971, Knuth TAOCP 4.2.2.
    splitter = 2.0**27 + 1
    x_high = x * splitter - (x * splitter - x)
    y_high = y * splitter - (y * splitter - y)
    x_low, y_low = x - x_high, y - y_high
    product = x * y
    product_error = x_low * y_low - (
        ((product - x_high * y_high) - x_low * y_high) - x_high * y_low
    )
    total = product + z
    virtual = total - product
    total_error = (product - (total - virtual)) + (z - virtual)
    return total + (product_error + total_error)


def uniform(generator: Mt19937, n: int, of: dtype, low: float = 0.0, high: float = 1.0) -> Array:
    """`n` numbers, uniform in [low, high)."""
    if n <= few.FEW and of is float32 and low == 0.0 and high == 1.0:
        return few.uniform(generator, n)
    return _uniform(generator, n, of, low, high)


@fill
def _uniform(generator: Mt19937, n: int, of: dtype, low: float, high: float) -> Array:
    if of.is_complex:
        return uniform(generator, 2 * n, of.to_real(), low, high).view(of.name)
    compute, unit = (float64, _unit_double) if of is float64 else (float32, _unit_single)
    standard = (low, high) == (0.0, 1.0)
    if standard and of is compute and n <= CHUNK:  # nothing is rounded, nothing is to be cut
        return unit(generator, n)
    low, high = _scalar(low, compute), _scalar(high, compute)
    width = _scalar(high - low, compute)
    out = np.empty(n, numpy_dtype(of))
    for start in range(0, n, CHUNK):
        values = unit(generator, min(CHUNK, n - start))
        if not standard:
            values = _multiply_add(values, width, low)
        out[start : start + CHUNK] = cast(values, of)
    if not (standard and of is compute):  # rounding may reach the open end
        out[out == _scalar(high, of)] = _scalar(low, of)
    return out


# --- normal ------------------------------------------------------------------


def normal(
    generator: Mt19937,
    n: int,
    of: dtype,
    mean: float = 0.0,
    std: float = 1.0,
    contiguous: bool = True,
) -> Array:
    """`n` normal numbers; PyTorch fills tensors that are not contiguous by another formula."""
    if n <= few.FEW and mean == 0.0 and std == 1.0 and of in (float32, float64):
        found = [z + 0.0 for z in few.normal(generator, n)]  # -0 becomes 0
        return np.array(found, numpy_dtype(of))
    return _normal(generator, n, of, mean, std, contiguous)


@fill
def _normal(
    generator: Mt19937, n: int, of: dtype, mean: float, std: float, contiguous: bool
) -> Array:
    if of.is_complex:
        std /= math.sqrt(2.0)
        return normal(generator, 2 * n, of.to_real(), mean, std, contiguous).view(of.name)
    if n < BLOCK or not contiguous:
        return cast(_multiply_add(_normal_pairs(generator, n), std, mean), of)
    compute, blocks = (float64, _blocks_double) if of is float64 else (float32, _blocks_single)
    unit = _unit_double if of is float64 else _unit_single
    mean, std = _scalar(mean, compute), _scalar(std, compute)
    out = np.empty(n, numpy_dtype(of))
    full, rest = n - n % BLOCK, n % BLOCK
    for start in range(0, full, CHUNK):
        u = unit(generator, min(CHUNK, full - start))
        if rest and start + CHUNK >= full:  # the last 16 elements are made afresh, from 16 more
            if of is compute:
                unit(generator, rest)  # PyTorch draws these and overwrites them
            u = np.append(u, unit(generator, BLOCK))
        values = cast(blocks(u, mean, std), of)
        out[start : start + CHUNK] = values[: min(CHUNK, n - start)]
    if rest:
        out[-BLOCK:] = values[-BLOCK:]
    return out


def _normal_pairs(generator: Mt19937, n: int) -> Array:
    """Standard normal float64 numbers by Box and Muller; an odd one stays with the generator."""
    if n <= few.FEW:
        return np.array(few.normal(generator, n))
    z = np.empty(n + 1)
    have = 0
    if n and generator.cached_normal is not None:
        z[0], generator.cached_normal, have = generator.cached_normal, None, 1
    pairs = (n - have + 1) // 2
    u = _unit_double(generator, 2 * pairs)
    radius = np.sqrt(-2.0 * _each(math.log1p, -u[1::2]))
    angle = 2.0 * math.pi * u[0::2]
    z[have : have + 2 * pairs : 2] = radius * _each(math.cos, angle)
    z[have + 1 : have + 2 * pairs : 2] = radius * _each(math.sin, angle)
    if have + 2 * pairs > n:
        generator.cached_normal = float(z[n])
    return z[:n]


def _blocks_single(u: Array, mean: float, std: float) -> Array:
    """Normal float32 numbers from as many uniform ones, block by block."""
    compiled = compiled_blocks.get(u.size)
    if compiled is not None and std == 1.0 and mean == 0.0:
        return compiled(u)
    pairs = u.reshape(-1, 2, BLOCK // 2)
    first = pairs[:, 0].astype(np.float64).ravel()
    second = pairs[:, 1].astype(np.float64).ravel()
    radius = np.sqrt((-2.0 * cephes.log(1.0 - first)).astype(np.float32))
    sin, cos = cephes.sin_cos(cephes.r(second * cephes.single(2.0 * math.pi)))
    z = np.empty_like(pairs)
    for half, trigonometric in enumerate((cos, sin)):
        value = radius * trigonometric
        if std == 1.0:
            value += np.float32(mean)  # also turns -0 into 0
        else:
            value = _multiply_add(value, std, mean)
        z[:, half] = value.reshape(-1, BLOCK // 2)
    return z.ravel()


def _blocks_double(u: Array, mean: float, std: float) -> Array:
    pairs = u.reshape(-1, 2, BLOCK // 2)
    radius = np.sqrt(-2.0 * _each(math.log, 1.0 - pairs[:, 0].ravel()))
    angle = 2.0 * math.pi * pairs[:, 1].ravel()
    z = np.empty_like(pairs)
    for half, function in enumerate((math.cos, math.sin)):
        z[:, half] = _multiply_add(radius * _each(function, angle), std, mean).reshape(
            -1, BLOCK // 2
        )
    return z.ravel()


@fill
def log_normal(generator: Mt19937, n: int, of: dtype, mean: float = 1.0, std: float = 2.0) -> Array:
    """exp of normal numbers with the given mean and standard deviation."""
    z = _multiply_add(_normal_pairs(generator, n), std, mean)
    return cast(_each(math.exp, z), of)


@fill
def trunc_normal(
    generator: Mt19937,
    n: int,
    of: dtype,
    mean: float = 0.0,
    std: float = 1.0,
    low: float = -2.0,
    high: float = 2.0,
) -> Array:
    """Normal numbers in [low, high], as PyTorch 2.13's torch.nn.init.trunc_normal_ draws them.

    Rejection: of normal numbers while at least 30 % fall inside, else of uniform ones.
    """
    if mean < low - 2 * std or mean > high + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=3,
        )
    below, above = (
        (1.0 + math.erf((edge - mean) / std / math.sqrt(2.0))) / 2.0 for edge in (low, high)
    )
    if above - below <= 0.3:
        return _trunc_normal_from_uniform(generator, n, of, mean, std, low, high)
    low, high = _scalar(low, of), _scalar(high, of)
    out = normal(generator, n, of, mean, std)
    while (outside := (out < low) | (out > high)).any():
        out = np.where(outside, normal(generator, n, of, mean, std), out)
    return out


def _trunc_normal_from_uniform(
    generator: Mt19937, n: int, of: dtype, mean: float, std: float, low: float, high: float
) -> Array:
    mode = max(low, min(mean, high))
    log_peak = -0.5 * ((mode - mean) / std) ** 2
    compute = "float64" if of is float64 else "float32"

    def rounded(values: Array) -> Array:
        return cast(values, of).astype(compute)

    out = np.empty(n, numpy_dtype(of))
    pending = np.ones(n, bool)
    while True:
        candidates = uniform(generator, n, of, low, high)
        out = np.where(pending, candidates, out)
        distance = rounded(rounded(candidates.astype(compute) - _scalar(mean, of)) / std)
        density = rounded(rounded(rounded(distance**2) * -0.5) - _scalar(log_peak, of))
        with np.errstate(divide="ignore"):
            height = rounded(np.log(uniform(generator, n, of).astype(compute)))
        pending = pending & (height > density)
        if not pending.any():
            return out


# --- integers ----------------------------------------------------------------


def integers(generator: Mt19937, n: int, low: int, high: int, of: dtype = int64) -> Array:
    """`n` integers in [low, high); `of` may be any dtype that holds them."""
    if n <= few.FEW and of is int64 and high - low < WIDE_RANGE:
        return few.integers(generator, n, low, high - low)
    return _integers(generator, n, low, high, of)


@fill
def _integers(generator: Mt19937, n: int, low: int, high: int, of: dtype) -> Array:
    if of.is_floating_point:
        low, high = _bounds_inside(low, high, of)
    width = high - low
    if width == 2**64:
        return generator.double_words(n).view(np.int64)
    if width >= WIDE_RANGE:
        drawn = (generator.double_words(n) % np.uint64(width)).view(np.int64)
    else:
        drawn = (generator.words(n) % np.uint32(width)).astype(np.int64)
    return cast(drawn + np.int64(low), of)


def _bounds_inside(low: int, high: int, of: dtype) -> tuple[int, int]:
    """Bounds whose integers do not round to numbers outside [low, high) in a floating dtype."""
    digits = SIGNIFICAND_BITS[of.name]
    after, before = int(_scalar(low + 1, of)), int(_scalar(high - 1, of))
    if after < low:
        low = after + 2 ** (abs(low + 1).bit_length() - digits)
    if before >= high:
        high = before - 2 ** (abs(high - 1).bit_length() - digits)
    return low, high


@fill
def full_range(generator: Mt19937, n: int, of: dtype) -> Array:
    """`n` integers from 0 to the largest up to which `of` has no gap: `Tensor.random_()`."""
    if of is bool_:
        return (generator.words(n) & np.uint32(1)).astype(bool)
    if of.is_floating_point:
        limit = 2 ** SIGNIFICAND_BITS[of.name] + 1
    else:
        limit = 2 ** (8 * of.itemsize - (of.kind == "i"))
    if of in (int64, float64):
        return cast((generator.double_words(n) % np.uint64(limit)).view(np.int64), of)
    words = generator.words(n)
    return cast(words if limit == 2**32 else words % np.uint32(limit), of)


def permutation(generator: Mt19937, n: int) -> Array:
    """A random order of 0 ... n-1: for each i, position i changes places with a random later one."""
    return few.permutation(generator, n) if n <= few.SHORT else _permutation(generator, n)


@fill
def _permutation(generator: Mt19937, n: int) -> Array:
    """Of many positions.

    The exchanges depend on each other only through "who put a value here last", so instead of
    doing them one by one, follow these links back, for all positions at once.
    """
    words = generator.words(n - 1) if n < LONG_PERMUTATION else generator.double_words(n - 1)
    steps = np.arange(n)
    target = steps.copy()  # step i exchanges positions i and target[i]
    target[:-1] += (words % np.arange(n, 1, -1, dtype=words.dtype)).astype(np.int64)

    # before[i]: the last step before i with the same target, or i if there is none.
    order = _stable_order(target, n)
    again = np.diff(target[order]) == 0
    before = steps.copy()
    before[order[1:]] = order[1:] + again * (order[:-1] - order[1:])

    # source[i]: the step that put a value at position i before step i begins, or i if none did.
    # That step took the value from its own position, so follow the links to the end.
    source = steps.copy()
    source[target] = steps
    stays = np.flatnonzero(target == steps)
    source[stays] = before[stays]
    while not np.array_equal(source, further := source[source]):
        source = further
    return np.where(before == steps, target, source[before])


def _stable_order(keys: Array, limit: int) -> Array:
    """argsort of integers from 0 to limit - 1; NumPy sorts 16 bits at a time by radix."""
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    for shift in range(16, (limit - 1).bit_length(), 16):
        digit = (keys >> shift).astype(np.uint16)
        order = order[np.argsort(digit[order], kind="stable")]
    return order


# --- the others --------------------------------------------------------------


@fill
def bernoulli(generator: Mt19937, n: int, p: float | Array, p_dtype: dtype = float64) -> Array:
    """`n` booleans, True with probability `p`: a number, or `n` numbers of dtype `p_dtype`."""
    unit = _unit_double if not isinstance(p, np.ndarray) or p_dtype is float64 else _unit_single
    return unit(generator, n) < p


@fill
def exponential(generator: Mt19937, n: int, of: dtype, rate: float = 1.0) -> Array:
    """Exponentially distributed numbers with the given rate (lambda)."""
    return cast((-1.0 / rate) * _each(math.log1p, -_unit_double(generator, n)), of)


@fill
def geometric(generator: Mt19937, n: int, of: dtype, p: float) -> Array:
    """The number of trials up to the first success of probability `p`."""
    return cast(np.ceil(_each(_log, _unit_double(generator, n)) / _log(1.0 - p)), of)


def _log(x: float) -> float:
    return math.log(x) if x else -math.inf


@fill
def cauchy(generator: Mt19937, n: int, of: dtype, median: float = 0.0, sigma: float = 1.0) -> Array:
    """Cauchy distributed numbers."""
    angle = math.pi * (_unit_double(generator, n) - 0.5)
    return cast(median + sigma * _each(math.tan, angle), of)


@fill
def multinomial(
    generator: Mt19937, weights: Array, of: dtype, samples: int, replacement: bool = False
) -> Array:
    """Indices [..., samples] drawn with probabilities proportional to `weights` [..., n].

    Differs: equal quotients, frequent in half precision, come in the order of their indices.
    """
    table = weights.reshape(-1, weights.shape[-1])
    if not replacement or samples == 1:
        races = exponential(generator, table.size, of).reshape(table.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            speed = cast(table / races, of)
        chosen = np.argsort(-speed, axis=-1, kind="stable")[:, :samples]
    else:
        chosen = np.stack([_search(generator, row, of, samples) for row in table])
    return chosen.reshape(*weights.shape[:-1], samples)


def _search(generator: Mt19937, weights: Array, of: dtype, samples: int) -> Array:
    """`samples` indices by the inverse of the cumulative distribution."""
    total = np.cumsum(weights, dtype=np.float64 if of is float64 else np.float32)
    total = total / total[-1]
    total[-1] = 1
    return np.searchsorted(total.astype(np.float64), _unit_double(generator, samples))
