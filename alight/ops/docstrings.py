"""What a docstring says without being told: the shapes of element-wise operations, and the form that writes in place.

In: the docstring of a lowering, written by hand. Out: that of a public function, with what its declaration says already.
It is put together at import, so every operation costs a microsecond or two: slices, no parsing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alight.ops.operation import Operation

_TENSORS = ("Tensor", "Operand")
_ONE = ("Shapes: any; the result has the input's.",)
_SEVERAL = ("Shapes: any that broadcast together; the result has their common shape.",)
_NOT_TOGETHER = ("Errors: RuntimeError where shapes do not broadcast.",)
_WRITTEN = (
    "Errors in place: RuntimeError where the result has another shape or a higher kind of dtype than the tensor, and for",
    "a leaf that requires gradients.",
)


def docstring(operation: Operation) -> str | None:
    """The docstring of the public form of an operation."""
    text = operation.body.__doc__
    if text is None or not operation.pointwise:
        return text
    kinds = [kind for kind in operation.body.__annotations__.values() if kind in _TENSORS]
    if len(kinds) < 3:  # one tensor, and the result
        return _before_example(text, _ONE)
    return _before_example(text, _SEVERAL if "Errors:" in text else _SEVERAL + _NOT_TOGETHER)


def in_place_docstring(text: str | None, name: str) -> str:
    """The docstring of the form in place of the operation `name`, whose own is `text`."""
    made = derived_docstring(f"Write the result of `{name}` into the tensor, and return it.", text)
    return _before_example(made, _WRITTEN)


def derived_docstring(first: str, text: str | None) -> str:
    """The docstring of another form of a function: a sentence of its own, then all that the function's says."""
    if not text:
        return first
    margin = _margin(text)
    return f"{first}{margin}{margin}{text}"


def with_example(text: str, call: str, result: str) -> str:
    """`text` with an example, for docstrings of families of functions."""
    return f"{text}\n\n>>> import alight as torch\n>>> {call}\n{result}"


def _before_example(text: str, lines: tuple[str, ...]) -> str:
    """`text` with a paragraph more, in front of its example; lines that follow one another stay together."""
    start = text.find(">>> ")
    if start < 0:
        return text
    head, margin = text[:start].rstrip(), _margin(text)
    together = "Errors" in head[head.rfind("\n\n") + 2 :] or "Shapes" in head[head.rfind("\n\n") :]
    gap = margin if together else margin + margin
    return head + gap + margin.join(lines) + margin + margin + text[start:]


def _margin(text: str) -> str:
    """A new line with the indent that docstrings keep; Python 3.13 takes it away."""
    start = text.find(">>> ")
    return text[max(text.rfind("\n", 0, start), 0) : start] if start > 0 else "\n"
