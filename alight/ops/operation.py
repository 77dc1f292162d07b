"""From a lowering to a public operation: signature, key, tracing, and where it is attached.

    @op(methods="exp", inplace="exp_", pointwise=True)
    def exp(input: Tensor) -> Tensor:
        '''Natural exponential, element by element.'''
        return p.Exp(to_float(input))

The annotations say what a parameter is: `Tensor`, `Tensor | None`, `Tensors` (a sequence), `Operand` (a tensor or a
number), `Scalar` (a number that is an input of the program: it may change from call to call without a new path);
all else is static and part of the key. In the body a tensor is an `Argument`: a value with a meta.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from alight.autograd.names import origin_of
from alight.dtypes import dtype
from alight.errors import UnsupportedDtypeError, fail, internal
from alight.ir.program import Program, Value, prune
from alight.ops.unsigned import check_unsigned
from alight.primitives import Convert, Detach
from alight.primitives.arithmetic import broadcast, fresh
from alight.record import views
from alight.record.ambiguous import NO_GRAD, refuse_ambiguous, refuse_written
from alight.record.apart import is_apart
from alight.record.meta import INFERENCE, Meta
from alight.record.recorder import Recorder, thread
from alight.record.trie import Tape
from alight.transforms.reverse import Region

# Where operations are served: name -> callable. Sub-packages take what they show from here.
TORCH: dict[str, Any] = {}
FUNCTIONAL: dict[str, Any] = {}
LINALG: dict[str, Any] = {}
FFT: dict[str, Any] = {}
SPECIAL: dict[str, Any] = {}
METHODS: dict[str, Any] = {}
NAMESPACES = {
    "torch": TORCH, "F": FUNCTIONAL, "linalg": LINALG, "fft": FFT, "special": SPECIAL, "Tensor": METHODS,
}  # fmt: skip
OPERATIONS: list[Operation] = []

_KINDS = {
    "Tensor": "tensor",
    "Value": "tensor",  # in files where Tensor is the public class
    "Tensor | None": "optional",
    "Tensors": "tensors",
    "Operand": "operand",
    "Operand | None": "operand",
    "Scalar": "scalar",
    "Scalar | None": "scalar",
    "int": "int",
    "int | None": "int",
    "bool": "flag",
    "bool | None": "flag",
}


# As in PyTorch, these make a tensor of two numbers; other operations want a tensor among their operands.
_TAKES_NUMBERS_ALONE = {"add", "sub", "mul", "div", "floor_divide"}


class Strided(NamedTuple):
    """A view whose strides its lowering knows better than the movement primitives do."""

    value: Value
    strides: tuple[int, ...]


class Parameter(NamedTuple):
    """One parameter of an operation."""

    name: str
    kind: str  # tensor, optional, tensors, operand, scalar, int, flag, static
    default: Any
    keyword_only: bool


class Operation:
    """A public operation: its lowering and what the recorder needs to call it."""

    def __init__(
        self, body: Callable[..., Any], name: str, writes: bool, view: str, pointwise: bool
    ) -> None:
        self.body, self.name = body, name
        self.writes = writes  # the result goes into the first argument
        self.view = view  # "", "maybe" (a copy where strides do not allow a view) or "always"
        self.pointwise = pointwise  # strides of the inputs carry over to the result
        self.vjp: Callable[..., Any] | None = None
        self.out: str | bool = True  # what `out=` may be: words of alight/ops/out.py
        self.joins = False  # makes one tensor of many: done at once where all of them are data
        self.gradient = True  # False where no gradient flows through, on purpose: detach
        self.placed: Callable[..., Any] | None = (
            None  # arguments with places in memory: view(dtype)
        )
        self.results: Callable[..., Any] | None = (
            None  # the named tuple that several results come in
        )
        self._key_of: Callable[..., tuple[tuple[Any, ...], list[Any]]] | None = None

    # The signature is read at the first call: most operations are never called, and reading takes a while.

    @cached_property
    def parameters(self) -> list[Parameter]:
        """The parameters with their kinds."""
        return [
            Parameter(
                one.name,
                _KINDS.get(str(one.annotation), "static"),
                one.default,
                one.kind is inspect.Parameter.KEYWORD_ONLY,
            )
            for one in inspect.signature(self.body).parameters.values()
        ]

    @cached_property
    def multiple(self) -> bool:
        """Whether there are several results."""
        return str(inspect.signature(self.body).return_annotation).startswith("tuple")

    @cached_property
    def has_numbers(self) -> bool:
        """Whether numbers may be inputs of the program."""
        return any(parameter.kind in ("operand", "scalar") for parameter in self.parameters)

    def pack(self, made: tuple[Any, ...]) -> Any:
        """The handles of the results as the caller gets them."""
        if self.results is not None:
            return self.results(*made)
        return made if self.multiple else made[0]

    def __repr__(self) -> str:
        return f"<operation {self.name}>"

    # -- what the recorder asks ----------------------------------------------------------------------------------

    def normalize(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Arguments as the key wants them: plain numbers, tuples for lists, tensors checked."""
        from alight.ops.arguments import normalized

        values = tuple(
            normalized(self, parameter, value)
            for parameter, value in zip(self.parameters, arguments, strict=True)
        )
        first = self.parameters[0].kind if values else ""
        if (
            first == "operand"
            and self.name not in _TAKES_NUMBERS_ALONE
            and not self.tensors(values)
        ):
            of = type(arguments[0]).__name__
            fail(
                TypeError,
                f"{self.name}() received an invalid combination of arguments: argument "
                f"'{self.parameters[0].name}' (position 1) must be Tensor, not {of}",
            )
        return values if self.placed is None else self.placed(values)

    def tensors(self, arguments: tuple[Any, ...]) -> list[Any]:
        """All tensors among the arguments."""
        found: list[Any] = []
        for parameter, value in zip(self.parameters, arguments, strict=True):
            if parameter.kind == "tensors":
                found.extend(value)
            elif parameter.kind in ("tensor", "optional", "operand") and hasattr(value, "_slot"):
                found.append(value)
        return found

    def key(self, arguments: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[Any]]:
        """The key of this step and the numbers that are inputs of it; all tensors have slots by now."""
        if self._key_of is None:
            from alight.ops.wrappers import key_function

            self._key_of = key_function(self)
        return self._key_of(*arguments)

    def make(self, meta: Meta, slot: int, handles: list[Any]) -> Any:
        """The handle of a slot."""
        from alight.tensor import new_handle

        tensor = new_handle(meta, slot)
        handles.append(tensor)
        return tensor

    def trace(self, recorder: Recorder, tape: Tape, arguments: tuple[Any, ...]) -> Program | None:
        """Run the body on values: the step's nodes and slots. Returns the link where the result is a view."""
        start, first_value = len(tape.nodes), len(tape.types)
        values: list[Any] = []
        ids: list[int] = []  # of tensor inputs and numbers, in order
        for parameter, given in zip(self.parameters, arguments, strict=True):
            value = self._argument(recorder, tape, parameter, given)
            if recorder.autocast is not None:
                value = self._autocast(recorder.autocast, value)
                start = len(tape.nodes)
            values.append(value)
            ids.extend(
                one.id
                for one in (value if parameter.kind == "tensors" else [value])
                if isinstance(one, Value)
            )
        tensors = self.tensors(arguments)
        grads = any(tensor._meta.requires_grad for tensor in tensors)
        named = {
            one.name: v for one, v in zip(self.parameters, values, strict=True) if one.keyword_only
        }
        if self.writes:
            self._check_target(recorder, arguments[0], grads)
            views.refuse_overlap(arguments[0], tensors[1:])
        check_unsigned(self.name, values)
        differentiable = grads and recorder.grad_enabled and self.gradient
        result = self._lowered(values[: len(values) - len(named)], named)
        outs = (
            result if isinstance(result, tuple) and not isinstance(result, Strided) else (result,)
        )
        if differentiable:
            refuse_written(tensors, outs)
        if self.vjp is not None and differentiable and len(tape.nodes) > start:
            out_ids = tuple(out.id for out in outs)
            tape.regions.append(
                Region(start, len(tape.nodes), tuple(ids), out_ids, self._bound_vjp(values))
            )
        if differentiable and not self.view:
            self._refuse_inference(tape, start, outs, tensors)
        if self.writes:
            self._trace_write(recorder, tape, arguments[0], values[0], result, differentiable)
            return None
        return self._add_outputs(tape, start, first_value, outs, values, ids, grads, differentiable)

    # -- parts of trace --------------------------------------------------------------------------------------------

    def _argument(self, recorder: Recorder, tape: Tape, parameter: Parameter, given: Any) -> Any:
        if parameter.kind == "tensors":
            return tuple(recorder.argument(tape, one) for one in given)
        if hasattr(given, "_slot"):
            return recorder.argument(tape, given)
        if parameter.kind == "scalar" and given is parameter.default:
            return given
        if (
            parameter.kind in ("operand", "scalar")
            and given is not None
            and given.__class__ is not bool
        ):
            return recorder.number_argument(tape, given.__class__)
        return given

    def _autocast(self, to: dtype, value: Any) -> Any:
        """An argument in the dtype that torch.autocast has for this operation."""
        from alight.ops.autocast import cast

        if isinstance(value, tuple) and value and isinstance(value[0], Value):
            return tuple(cast(self.name, one, to) for one in value)
        return cast(self.name, value, to) if isinstance(value, Value) else value

    def _lowered(self, values: Sequence[Any], named: dict[str, Any]) -> Any:
        try:
            return self.body(*values, **named)
        except UnsupportedDtypeError as error:
            from alight.ops.arguments import scalar_type_name

            name = scalar_type_name(error.args[1])
            fail(
                NotImplementedError,
                f"\"{self.name.strip('_')}\" not implemented for '{name}'",
                facts=[error.args[0]],
                try_="another dtype: x.float()",
            )

    def _bound_vjp(self, values: list[Any]) -> Callable[..., Any]:
        """The operation's own gradient with its static arguments filled in; scalars come as values."""
        names = [parameter.name for parameter in self.parameters]
        dynamic = [
            isinstance(v, Value) or parameter.kind == "tensors"
            for v, parameter in zip(values, self.parameters, strict=True)
        ]
        statics = {n: v for n, v, d in zip(names, values, dynamic, strict=True) if not d}
        lengths = [
            (n, len(v) if isinstance(v, tuple) else 0)
            for n, v, d in zip(names, values, dynamic, strict=True)
            if d
        ]
        vjp = self.vjp
        assert vjp is not None

        def bound(ct: Any, out: Any, *inputs: Value) -> tuple[Any, ...]:
            given, at = {}, 0
            for name, length in lengths:
                given[name] = tuple(inputs[at : at + length]) if length else inputs[at]
                at += length or 1
            grads = vjp(ct, out, **given, **statics)
            grads = grads if isinstance(grads, tuple) else (grads,)
            return (*grads, *(None,) * (len(inputs) - len(grads)))

        return bound

    def _add_outputs(
        self, tape: Tape, start: int, first_value: int, outs: Sequence[Any], values: list[Any], ids: list[int],
        grads: bool, differentiable: bool,
    ) -> Program | None:  # fmt: skip
        link = None
        constants = {node.outputs[0] for node in tape.nodes[start:] if node.primitive is Detach}
        for out in outs:
            strides = None
            if isinstance(out, Strided):
                out, strides = out
            if not isinstance(out, Value):
                internal(f"{self.name} returned {type(out).__name__}, not a value")
            requires_grad = (
                differentiable and out.dtype.is_differentiable and out.id not in constants
            )
            if out.id < first_value and not self.view:  # an input given back is a tensor of its own
                out = fresh(out)
            if grads and not requires_grad:
                if out.id < first_value:
                    out = Detach(out)
                tape.marks.append(("blocked", out.id))
            if self.view:
                link, strides = self._link(tape, start, ids, out, values[0], strides)
                if link is not None:
                    views.show(tape, out, values[0], link, [tape.value(i) for i in ids[1:]])
            elif self.pointwise:
                strides = pointwise_strides(out, values)
            origin: str | None
            if requires_grad or not self.gradient:
                origin = origin_of(self.name, values)
            else:
                made_there = self.view and getattr(values[0].meta, "origin", None) == INFERENCE
                origin = INFERENCE if thread.recorder.inference or made_there else None
                if self.view and grads and origin is None and self.gradient:
                    origin = NO_GRAD
            tape.slots.append(
                (out.id, Meta(out.type, strides, requires_grad, not requires_grad, origin))
            )
        return link if len(outs) == 1 else None

    def _refuse_inference(
        self, tape: Tape, start: int, outs: Sequence[Any], tensors: Sequence[Any]
    ) -> None:
        """PyTorch's error where a gradient would read a tensor that inference_mode made."""
        if all(tensor._meta.origin != INFERENCE for tensor in tensors):
            return
        from alight.record.history import sweep

        value_of = {id(t): thread.recorder.argument(tape, t).id for t in tensors}
        wrt = [value_of[id(t)] for t in tensors if t._meta.requires_grad]
        made = [out.value.id if isinstance(out, Strided) else out.id for out in outs]
        read = sweep(tape, [id for id in made if id >= 0], wrt, start).residuals
        if any(value_of[id(t)] in read for t in tensors if t._meta.origin == INFERENCE):
            fail(
                RuntimeError,
                "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
                "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and "
                "use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`.",
            )

    def _link(
        self, tape: Tape, start: int, ids: list[int], out: Value, base: Any, strides: Any
    ) -> tuple[Program | None, Any]:
        link = prune(Program(tape.types, ids, tape.nodes[start:], [out.id]))
        if strides is None:
            strides = views.link_strides(link, base.meta)
        if strides is None and self.view == "maybe":
            return None, None
        return link, strides

    def _check_target(self, recorder: Recorder, target: Any, grads: bool) -> None:
        """PyTorch's errors for tensors that may not be written, or not with something that has gradients."""
        meta: Meta = target._meta
        if meta.origin == INFERENCE and not recorder.inference:
            fail(
                RuntimeError,
                "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a "
                "normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details.",
            )
        if recorder.grad_enabled and target._base is not None:
            refuse_ambiguous(target, grads)
        if recorder.grad_enabled and meta.requires_grad:
            leaf = target
            while leaf is not None and not (leaf._meta.requires_grad and leaf._meta.leaf):
                leaf = None if leaf._base is None or is_apart(leaf._link) else leaf._base
            if leaf is not None:
                of_view = "" if leaf is target else "a view of "
                fail(
                    RuntimeError,
                    f"{of_view}a leaf Variable that requires grad is being used in an in-place operation.",
                    try_="with torch.no_grad(): around the write",
                )
        repeats = any(
            step == 0 and size > 1
            for step, size in zip(meta.strides or (), meta.shape, strict=False)
        )
        if repeats and self.name not in ("zero_", "fill_", "put_at", "masked_fill_"):
            fail(RuntimeError, views.OVERLAP, try_=".clone() before the write")

    def _trace_write(
        self,
        recorder: Recorder,
        tape: Tape,
        target: Any,
        old: Any,
        result: Any,
        differentiable: bool,
    ) -> None:
        result = fit(result, old, self.name)
        differentiable = differentiable and result.dtype.is_differentiable
        views.trace_write(recorder, tape, target, result, differentiable, self.name)


def fit(result: Value, target: Value, name: str) -> Value:
    """`result` as the shape and dtype of the tensor that it is written into; PyTorch's errors where it cannot be."""
    from alight.dtypes import category

    if result.shape != target.shape:
        from alight.primitives.arithmetic import broadcast_shape

        if broadcast_shape(result.shape, target.shape) != target.shape:
            fail(
                RuntimeError,
                f"output with shape {list(target.shape)} doesn't match the broadcast shape {list(result.shape)}",
                facts=[f"{name} writes into the tensor it is called on, which keeps its shape"],
                try_=f"the form that makes a new tensor: {name.rstrip('_')}",
            )
        result = broadcast(result, target.shape)
    if result.dtype is not target.dtype:
        if category(result.dtype) > category(target.dtype):
            from alight.ops.arguments import scalar_type_name

            fail(
                RuntimeError,
                f"result type {scalar_type_name(result.dtype)} can't be cast to the desired output type "
                f"{scalar_type_name(target.dtype)}",
                facts=[f"{name} writes into a tensor of {target.dtype!r}"],
                try_=f".to({result.dtype!r}) before the write",
            )
        result = Convert(result, dtype=target.dtype)
    return result


def pointwise_strides(out: Value, values: Sequence[Any]) -> tuple[int, ...] | None:
    """Strides of an element-wise result, dense and in the inputs' order of axes; None for row-major order.

    The order is that of PyTorch's TensorIterator (aten/src/ATen/TensorIterator.cpp, reorder_dimensions): an insertion
    sort by the strides of the inputs in turn, for which strides of 0 say nothing.
    """
    metas = [
        meta
        for meta in (getattr(value, "meta", None) for value in values)
        if meta is not None and meta.shape
    ]
    if all(meta.strides is None for meta in metas):
        return None
    return _ordered_strides(out.shape, [_broadcast_strides(meta, out.shape) for meta in metas])


def dense_strides(meta: Meta) -> tuple[int, ...]:
    """Strides of a new tensor like one of this meta: without gaps, the axes in the same order."""
    return _ordered_strides(meta.shape, [meta.full_strides()])


def _ordered_strides(shape: tuple[int, ...], inputs: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    order = list(range(len(shape)))[::-1]  # fastest axis first
    for i in range(1, len(order)):
        at = i
        for before in range(i - 1, -1, -1):
            swap = _order_of_axes(order[before], order[at], shape, inputs)
            if swap < 0:
                break
            if swap > 0:
                order[before], order[at], at = order[at], order[before], before
    strides, step = [0] * len(order), 1
    for axis in order:
        strides[axis] = step
        step *= max(shape[axis], 1)
    return tuple(strides)


def _broadcast_strides(meta: Meta, shape: tuple[int, ...]) -> tuple[int, ...]:
    lead = len(shape) - len(meta.shape)
    own = zip(meta.full_strides(), meta.shape, shape[lead:], strict=True)
    return (0,) * lead + tuple(0 if a != b else stride for stride, a, b in own)


def _order_of_axes(
    a: int, b: int, shape: tuple[int, ...], inputs: Sequence[tuple[int, ...]]
) -> int:
    """1 where axis b is faster than axis a, -1 where it is not, 0 where the strides do not say."""
    for strides in inputs:
        if strides[a] and strides[b]:
            if strides[a] != strides[b]:
                return 1 if strides[a] > strides[b] else -1
            if shape[a] > shape[b]:
                return 1
    return 0


def with_vjp(rule: Callable[..., Any], outs: Any, start: int, *inputs: Value) -> Any:
    """`outs`, made of `inputs` by the nodes from number `start` on, with the gradient rule(ct, out, *inputs).

    For bodies: a part of a lowering that has a better gradient than its primitives give.
    """
    tape = inputs[0].builder
    made = outs if isinstance(outs, tuple) else (outs,)
    if isinstance(tape, Tape) and len(tape.nodes) > start:
        ids = tuple(value.id for value in inputs)
        tape.regions.append(
            Region(start, len(tape.nodes), ids, tuple(out.id for out in made), rule)
        )
    return outs


def is_operation(function: Any) -> bool:
    """Whether a public function is the wrapper of an operation, not Python code that calls some."""
    scope = getattr(function, "__globals__", None)
    return scope is not None and scope.get("SELF") is function


# -- declaring ----------------------------------------------------------------------------------------------------------


class Declared:
    """What `@op` returns: callable like the public function, with `.vjp` to give a better gradient."""

    def __init__(
        self, operation: Operation, function: Callable[..., Any], others: Sequence[Operation]
    ) -> None:
        self.operation, self._others = operation, others
        self.function = function  # for callers on hot paths: `place` puts the wrapper here
        self.__doc__, self.__name__ = operation.body.__doc__, operation.name
        self.lowering = operation.body

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def vjp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Use `rule(ct, out, **arguments)` instead of the gradient of the lowering."""
        for operation in (self.operation, *self._others):
            operation.vjp = rule
        return rule


def op(
    functions: str | None = None,
    methods: str = "",
    inplace: str = "",
    F: str = "",
    linalg: str = "",
    fft: str = "",
    special: str = "",
    view: str = "",
    pointwise: bool = False,
    varargs: str = "",
    aliases: str = "",
    out: str | bool = True,
    gradient: bool = True,
    results: Callable[..., Any] | None = None,
    functional_out: bool = False,
) -> Callable[[Callable[..., Any]], Declared]:
    """Declare a public operation; names are separated by spaces.

    functions: names in `torch` (its own name if left out, none if ""). methods, inplace: names on Tensor.
    view: "always" or "maybe" where the result shares memory. varargs: the parameter that methods take spread out,
    x.permute(0, 1). aliases: "axis=dim keepdims=keepdim". out: whether functions take `out=`, and what
    may be given: words of alight/ops/out.py. functional_out: whether those of torch.nn.functional do.
    results: the named tuple that several results come in.
    """
    from alight.ops.docstrings import in_place_docstring
    from alight.ops.wrappers import place

    def declare(body: Callable[..., Any]) -> Declared:
        name = body.__name__.rstrip("_") if not body.__name__.startswith("_") else body.__name__
        operation = Operation(body, name, False, view, pointwise)
        operation.gradient, operation.out = gradient, out
        operation.results = results
        OPERATIONS.append(operation)
        torch_names = (
            name if functions is None and not (F or linalg or fft or special) else (functions or "")
        )
        places = [
            *((TORCH, one) for one in torch_names.split()),
            *((LINALG, one) for one in linalg.split()),
            *((FFT, one) for one in fft.split()),
            *((SPECIAL, one) for one in special.split()),
        ]
        others: list[Operation] = []
        declared = Declared(operation, body, others)
        places.append((vars(declared), "function"))
        place(operation, places, "", aliases, bool(out) and not view)
        place(operation, [(METHODS, one) for one in methods.split()], varargs, aliases, False)
        functional = [(FUNCTIONAL, one) for one in F.split()]
        if not inplace:
            place(operation, functional, "", aliases, functional_out)
            return declared
        writing = Operation(body, inplace.split()[0], True, "", False)
        OPERATIONS.append(writing)
        others.append(writing)
        spots = [(METHODS, one) for one in inplace.split()]
        spots += [(TORCH, one) for one in inplace.split() if not one.startswith("__")]
        spots += [(FUNCTIONAL, one + "_") for one in F.split()]
        in_place = place(writing, spots, "", aliases, False)
        in_place.__doc__ = in_place_docstring(declared.function.__doc__, name)
        place(operation, functional, "", aliases, functional_out, in_place)
        return declared

    return declare


def writing_op(
    methods: str = "", varargs: str = "", functions: str = ""
) -> Callable[[Callable[..., Any]], Declared]:
    """Declare an operation that only exists in place, as `fill_` and `copy_`: the body gives the new value."""
    from alight.ops.wrappers import place

    def declare(body: Callable[..., Any]) -> Declared:
        operation = Operation(body, body.__name__, True, "", False)
        OPERATIONS.append(operation)
        spots = [(METHODS, one) for one in methods.split()] + [
            (TORCH, one) for one in functions.split()
        ]
        return Declared(operation, place(operation, spots, varargs, "", False), ())

    return declare


def function(
    functions: str | None = None,
    methods: str = "",
    F: str = "",
    linalg: str = "",
    fft: str = "",
    special: str = "",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a public function that calls operations, or needs values: no step of its own."""

    def declare(body: Callable[..., Any]) -> Callable[..., Any]:
        names = (
            body.__name__
            if functions is None and not (F or linalg or fft or special)
            else (functions or "")
        )
        for namespace, text in (
            (TORCH, names),
            (METHODS, methods),
            (FUNCTIONAL, F),
            (LINALG, linalg),
            (FFT, fft),
            (SPECIAL, special),
        ):
            for name in text.split():
                namespace[name] = body
        return body

    return declare


__all__ = [
    "Declared",
    "Operation",
    "Strided",
    "fit",
    "function",
    "is_operation",
    "op",
    "thread",
    "with_vjp",
    "writing_op",
]
