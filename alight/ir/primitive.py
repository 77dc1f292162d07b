"""The form of a primitive: one class that says all there is to know of one step of a program.

    class Exp(Primitive):
        '''Natural exponential, element by element.'''
        kind, accepts = ELEMENTWISE, FLOAT | COMPLEX     # infer: same shape, same dtype, the kind's default
        def scalar(b, x): return b.exp(x)                # meaning, with a neutral builder b
        def partials(out, x): return (out,)              # exactly one gradient form

Calling the class emits a node: `Exp(x)` with x a `Value`. Rules are plain functions: they never see an instance.
The order in a class is always: docstring, kind, statics, accepts, infer, meaning, gradient.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from alight.dtypes import ANY, dtype
from alight.errors import UnsupportedDtypeError, internal
from alight.ir.program import Statics, Value, current_builder
from alight.ir.types import Type

# The nine kinds. A backend implements kinds and scalar instructions, not primitives.
ELEMENTWISE = "elementwise"  # meaning: scalar(b, *x)
REDUCTION = "reduction"  # meaning: identity, combine(b, acc, x)
MOVEMENT = "movement"  # meaning: the class's name and statics, an index map (docs/primitives.md)
CONTRACTION = "contraction"
WINDOW = "window"
GATHER = "gather"
SCAN = "scan"
CREATE = "create"
OPAQUE = "opaque"  # a library call, found by name in the backend's table

NONE = "none"  # `gradient = NONE`: no gradient flows through, on purpose

_RULES = ("infer", "scalar", "combine", "partials", "transpose", "vjp", "simplify")

REGISTRY: dict[str, type[Primitive]] = {}


class Primitive:
    """Base of all primitives; subclasses are definitions and are never instantiated.

    infer(*types, **statics) -> (shape, dtype), or a tuple of such pairs where `outputs` > 1.
    partials(out, *x, **statics) -> d out / d x for each input: element-wise primitives.
    transpose(ct, *x, **statics) -> cotangent of each input, None for one that has none: linear in each such input.
    vjp(ct, out, *x, **statics) -> the same, where neither form above fits; ct and out are tuples if outputs > 1.
    simplify(*x, **statics) -> a value that makes the node unnecessary, or None.
    """

    kind: ClassVar[str]
    statics: ClassVar[tuple[str, ...]] = ()
    static_names: ClassVar[frozenset[str]]  # the same as a set
    accepts: ClassVar[frozenset[dtype]] = ANY
    outputs: ClassVar[int] = 1
    gradient: ClassVar[str]  # "partials", "transpose", "vjp" or NONE; found from the class
    name: ClassVar[str]  # as programs print it

    if TYPE_CHECKING:  # each primitive has one of these
        partials: ClassVar[Any]
        transpose: ClassVar[Any]
        vjp: ClassVar[Any]

    def __init_subclass__(cls, abstract: bool = False) -> None:
        cls.static_names = frozenset(cls.statics)
        cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        for rule in _RULES:
            if rule in cls.__dict__ and not isinstance(cls.__dict__[rule], staticmethod):
                setattr(cls, rule, staticmethod(cls.__dict__[rule]))
        if abstract:  # the common part of several primitives
            return
        forms = [form for form in ("partials", "transpose", "vjp") if form in cls.__dict__]
        declared_none = cls.__dict__.get("gradient") == NONE
        missing = []
        if not cls.__doc__ or cls.__doc__ is Primitive.__doc__:
            missing.append("a docstring")
        if not hasattr(cls, "kind"):
            missing.append("a kind")
        elif cls.kind == ELEMENTWISE and not hasattr(cls, "scalar"):
            missing.append("its meaning, scalar(b, ...)")
        elif cls.kind == REDUCTION and not hasattr(cls, "combine"):
            missing.append("its meaning, combine(b, acc, x)")
        if not hasattr(cls, "infer"):
            missing.append("infer")
        if len(forms) + declared_none != 1:
            missing.append("exactly one of partials, transpose, vjp, gradient = NONE")
        if missing:
            raise TypeError(f"primitive {cls.__name__} lacks {', '.join(missing)}")
        cls.gradient = forms[0] if forms else NONE
        REGISTRY[cls.name] = cls

    def __new__(
        cls, *values: Value, **statics: Any
    ) -> Any:  # Exp(x) is a value, or a tuple of values
        simplify = getattr(cls, "simplify", None)
        if simplify is not None:
            simpler = simplify(*values, **statics)
            if simpler is not None:
                return simpler
        builder = values[0].builder if values else current_builder()
        return builder.emit(cls, values, statics)

    @classmethod
    def result_types(cls, types: Sequence[Type], statics: Statics) -> list[Type]:
        """Types of the outputs; checks statics, dtypes and devices on the way."""
        if statics.keys() != cls.static_names:
            internal(f"{cls.name} takes statics {cls.statics}, not {tuple(statics)}")
        for type in types:
            if type.dtype not in cls.accepts:
                raise UnsupportedDtypeError(f"{cls.name} does not take {type}", type.dtype)
        device = statics["device"] if cls.kind == CREATE else types[0].device
        inferred = cls.infer(*types, **statics)  # type: ignore[attr-defined]
        if cls.outputs == 1:
            shape, dtype = inferred
            return [Type(tuple(shape), dtype, device)]
        return [Type(tuple(shape), dtype, device) for shape, dtype in inferred]


def same_type(*types: Type, **statics: Any) -> tuple[tuple[int, ...], dtype]:
    """`infer` of most element-wise primitives: every input and the output have one type."""
    first = types[0]
    for other in types[1:]:
        if other.shape != first.shape or other.dtype is not first.dtype:
            internal(f"element-wise inputs differ: {first} and {other}")
    return first.shape, first.dtype
