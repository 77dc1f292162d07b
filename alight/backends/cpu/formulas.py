"""Arithmetic on LLVM values in the notation of formulas.

In: values of one shape of vector (or scalars). Out: terms, with Python's operators: `f.where(x < 0, -y, y * z + 1)`.
Numbers take the type of the term that they meet. A product with a sum is one instruction where the machine has that
(contraction); `fma` is for formulas that need the single rounding, and exists on such machines alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from alight.backends.cpu.code import Code, Value, element_type, lanes, like
from alight.backends.cpu.target import Target

Operand = Any  # a term or a Python number


def has_fma(target: Target) -> bool:
    """Whether the machine multiplies and adds in one rounding."""
    return "+fma" in target.features or target.triple.startswith(("aarch64", "arm64"))


def has_avx512(target: Target) -> bool:
    """Whether the machine has AVX-512 registers, and we use them."""
    return target.vector_bytes == 64 and "+avx512f" in target.features


class Term:
    """A value in a formula."""

    __slots__ = ("f", "value")

    def __init__(self, f: Formulas, value: Value) -> None:
        self.f, self.value = f, value

    def _op(self, float_op: str, integer_op: str, other: Operand, swapped: bool = False) -> Term:
        x, y = self.value, self.f.of(other, self).value
        if swapped:
            x, y = y, x
        is_float = element_type(x.type) in ("float", "double")
        return Term(self.f, self.f.code.op(float_op if is_float else integer_op, x, y))

    def __add__(self, other: Operand) -> Term:
        return self._op("fadd", "add", other)

    __radd__ = __add__

    def __sub__(self, other: Operand) -> Term:
        return self._op("fsub", "sub", other)

    def __rsub__(self, other: Operand) -> Term:
        return self._op("fsub", "sub", other, swapped=True)

    def __mul__(self, other: Operand) -> Term:
        return self._op("fmul", "mul", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Operand) -> Term:
        return self._op("fdiv", "sdiv", other)

    def __rtruediv__(self, other: Operand) -> Term:
        return self._op("fdiv", "sdiv", other, swapped=True)

    def __neg__(self) -> Term:
        return Term(self.f, self.f.code.op("fneg", self.value))

    def __and__(self, other: Operand) -> Term:
        return self._op("and", "and", other)

    def __or__(self, other: Operand) -> Term:
        return self._op("or", "or", other)

    def __xor__(self, other: Operand) -> Term:
        return self._op("xor", "xor", other)

    def __lshift__(self, bits: int) -> Term:
        return self._op("shl", "shl", bits)

    def __rshift__(self, bits: int) -> Term:  # the sign is kept
        return self._op("ashr", "ashr", bits)

    def _compare(self, predicate: str, other: Operand) -> Term:
        is_float = element_type(self.value.type) in ("float", "double")
        if not is_float:
            predicate = {"oeq": "eq", "une": "ne"}.get(predicate, "s" + predicate[1:])
        kind = "fcmp" if is_float else "icmp"
        value = self.f.of(other, self).value
        return Term(self.f, self.f.code.compare(f"{kind} {predicate}", self.value, value))

    def __lt__(self, other: Operand) -> Term:
        return self._compare("olt", other)

    def __le__(self, other: Operand) -> Term:
        return self._compare("ole", other)

    def __gt__(self, other: Operand) -> Term:
        return self._compare("ogt", other)

    def __ge__(self, other: Operand) -> Term:
        return self._compare("oge", other)

    def equals(self, other: Operand) -> Term:
        """Where both are the same number."""
        return self._compare("oeq", other)

    def differs(self, other: Operand) -> Term:
        """Where they are not the same number, or one is none."""
        return self._compare("une", other)


class Formulas:
    """What formulas on one type are written with."""

    def __init__(self, code: Code, target: Target, type: str) -> None:
        self.code, self.target, self.type = code, target, type
        self.element = element_type(type)
        self.is_double = self.element == "double"
        self.fused = has_fma(target)
        self.avx512 = has_avx512(target) and lanes(type) * (8 if self.is_double else 4) == 64
        # Of the format: bits of the fraction, bias of the exponent, integers of its size.
        self.fraction, self.bias, self.word = (
            (52, 1023, "i64") if self.is_double else (23, 127, "i32")
        )
        self.precision = (
            self.element
        )  # which coefficients serve: "mixed" for doubles that become floats

    def of(self, x: Operand, like_: Term) -> Term:
        """A number as a constant of a term's type; a term itself."""
        if isinstance(x, Term):
            return x
        return Term(self, self.code.constant(x, like_.value.type))

    def number(self, x: float) -> Term:
        """A floating-point constant."""
        return Term(self, self.code.constant(x, self.type))

    def term(self, value: Value) -> Term:
        """A value of the type."""
        return Term(self, value)

    def call(self, name: str, *terms: Term) -> Term:
        """An overloaded intrinsic: fabs, sqrt, trunc, ..."""
        return Term(self, self.code.intrinsic(f"llvm.{name}", *[term.value for term in terms]))

    def whole(self, name: str, x: Term) -> Term:
        """floor, ceil, trunc, or round (halves to even): an instruction of all but the oldest processors."""
        features = self.target.features
        old = "+sse4.1" not in features and "+avx" not in features
        if old and self.target.triple.startswith("x86"):
            return self._whole_without_instruction(name, x)
        return self.call("rint" if name == "round" else name, x)

    def _whole_without_instruction(self, name: str, x: Term) -> Term:
        """By adding and subtracting a number that has no fraction; the C library would do one lane at a time."""
        size, large = self.call("fabs", x), 2.0**self.fraction
        near = (size + large) - large
        below = self.where(near > size, near - 1, near)
        above = self.where(near < size, near + 1, near)
        negative = x < 0
        result = {
            "round": lambda: near,
            "trunc": lambda: below,
            "floor": lambda: self.where(negative, above, below),
            "ceil": lambda: self.where(negative, below, above),
        }[name]()
        return self.where(size < large, self.copysign(result, x), x)

    def fma(self, x: Operand, y: Term, z: Operand) -> Term:
        """x * y + z in one rounding, where the machine has it; else in two."""
        if not self.fused:
            return self.of(x, y) * y + z
        return Term(self, self.code.fma(self.of(x, y).value, y.value, self.of(z, y).value))

    def product(self, x: Term, y: Term) -> Term:
        """x * y rounded by itself: never made one instruction with a sum that reads it."""
        text = f"fmul {x.value.typed}, {y.value.text}"
        return Term(self, self.code.op(text, type=x.value.type))

    def where(self, mask: Term, x: Operand, y: Operand) -> Term:
        """x where the mask holds, else y."""
        if not isinstance(x, Term):
            x = self.of(x, y) if isinstance(y, Term) else self.number(x)
        y = self.of(y, x)
        return Term(self, self.code.select(mask.value, x.value, y.value))

    def smaller(self, limit: float, x: Term) -> Term:
        """min(x, limit), NaN where x is."""
        return self.where(x > limit, limit, x)

    def larger(self, limit: float, x: Term) -> Term:
        """max(x, limit), NaN where x is."""
        return self.where(x < limit, limit, x)

    def polynomial(self, coefficients: Sequence[float], x: Term) -> Term:
        """Horner's rule, highest power first."""
        total: Operand = coefficients[0]
        for c in coefficients[1:]:
            total = total * x + c
        return total

    def bits(self, x: Term) -> Term:
        """The bits of floats as integers."""
        return Term(self, self.code.cast("bitcast", x.value, self.word))

    def from_bits(self, x: Term) -> Term:
        """Floats with these bits."""
        return Term(self, self.code.cast("bitcast", x.value, self.element))

    def word_of(self, x: int, like_: Term) -> Term:
        """An integer constant of the format's size."""
        return Term(self, self.code.constant(x, like(like_.value.type, self.word)))

    def nearest(self, x: Term) -> tuple[Term, Term]:
        """The nearest whole numbers as floats, and as integers of the format's size: |x| is below 2^22 or 2^51.

        Adding 1.5 * 2^fraction leaves the integer in the last bits.
        """
        magic = self.number(1.5 * 2.0**self.fraction)
        moved = x + magic
        return moved - magic, self.bits(moved) - self.bits(magic)

    def unsigned_shift(self, x: Term, bits: int) -> Term:
        """x >> bits, zeros coming in."""
        return x._op("lshr", "lshr", bits)

    def float_of(self, n: Term) -> Term:
        """Small integers of the format's size as floats; the reverse of `nearest`."""
        magic = self.number(1.5 * 2.0**self.fraction)
        return self.from_bits(n + self.bits(magic)) - magic

    def reciprocal(self, x: Term) -> Term:
        """1 / x within a unit in the last place, for normal numbers whose reciprocal is normal."""
        if not self.avx512:
            return 1 / x
        letter, count = ("pd", 8) if self.is_double else ("ps", 16)
        name, every = f"llvm.x86.avx512.rcp14.{letter}.512", Value("-1", f"i{count}")
        near = Term(self, self.code.call(x.value.type, name, x.value, x.value, every))
        for _ in range(2 if self.is_double else 1):  # Newton's method: 14 bits become 28, then 56
            near = self.fma(near, 1 - x * near, near)
        return near

    def copysign(self, x: Term, sign: Term) -> Term:
        """x with the sign of another."""
        return self.call("copysign", x, sign)

    def power_of_2(self, n: Term) -> Term:
        """2^n for integers n whose power is a normal number."""
        return self.from_bits((n + self.bias) << self.fraction)

    def scaled(self, x: Term, whole: Term, n: Term) -> Term:
        """x * 2^n, n given as a float and as an integer, rounded once where the result is subnormal."""
        if self.avx512:
            letter, count = ("pd", 8) if self.is_double else ("ps", 16)
            every, as_set = Value("-1", f"i{count}"), Value("4", "i32")
            name = f"llvm.x86.avx512.mask.scalef.{letter}.512"
            arguments = (x.value, whole.value, x.value, every, as_set)
            return Term(self, self.code.call(x.value.type, name, *arguments))
        first = n >> 1
        return x * self.power_of_2(first) * self.power_of_2(n - first)

    def widened(self, x: Term) -> tuple[Formulas, Term]:
        """Floats as doubles, with what computes on those."""
        f = Formulas(self.code, self.target, like(self.type, "double"))
        f.precision = "mixed"
        return f, f.term(self.code.cast("fpext", x.value, "double"))

    def narrowed(self, x: Term) -> Value:
        """Doubles as floats."""
        return self.code.cast("fptrunc", x.value, "float")

    def any(self, mask: Term) -> Value:
        """Whether a mask holds in some lane."""
        type, code = mask.value.type, self.code
        if type == "i1":
            return mask.value
        return code.call("i1", f"llvm.vector.reduce.or.v{lanes(type)}i1", mask.value)

    def unless_any(self, rare: Term, result: Term, slow: Callable[[], Value]) -> Term:
        """`result`, but where the mask `rare` holds, what `slow` gives; that runs only if a lane needs it."""
        code = self.code
        place = code.variable(result.value)
        with code.when(self.any(rare)):
            place.set(code.select(rare.value, slow(), result.value))
        return Term(self, place.get())
