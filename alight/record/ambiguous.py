"""Views whose gradients would be ambiguous: several that were made at once, and those that a no_grad block made.

PyTorch refuses writes to them, and uses of the former after what they view was written another way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

from alight.errors import fail
from alight.record.apart import is_apart

NO_GRAD = "no_grad"  # the origin of views that a no_grad block made of something with gradients
THERE = "A view was created in no_grad mode and "
OF_SEVERAL = "of several"
WRITTEN = ("Output ", THERE)  # how the origin begins once what such a view shows has been written
SEVERAL = {"unbind": "Unbind", "split": "Split", "split_with_sizes": "SplitWithSizes"}
REMEDY = (
    " This view is the output of a function that returns multiple views. Such functions do not allow the output views to "
    "be modified inplace. You should replace the inplace operation by an out-of-place one."
)
NO_GRAD_REMEDY = (
    " Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both "
    "the view and the inplace either both inside the no_grad block (if you don't want the inplace to be tracked) or both "
    "outside (if you want the inplace to be tracked)."
)


def _place_among_several(view: Any) -> str:
    """'Output 1 of Unbind ' for a view that is one of several, or a view of such a one; '' for others."""
    origin = view._meta.origin or "alias"
    if origin.startswith(WRITTEN):
        return str(origin)
    several = next((one for one in _links(view) if one in SEVERAL or one.startswith(WRITTEN)), "")
    if not several or several.startswith(THERE):
        return several
    if origin in SEVERAL:
        return f"Output {view._part} of {SEVERAL[origin]} "
    from alight.autograd.names import backward_name

    return f"Output 0 of {backward_name(origin).removesuffix('Backward0')} "


def _links(view: Any, with_gradients: bool = True) -> Iterator[str]:
    """Where a view, and what it views, come from: those that have gradients, or those that have none."""
    while view._base is not None and not is_apart(view._link):
        if view._meta.requires_grad is with_gradients:
            yield view._meta.origin or ""
        view = view._base


def _made_without_gradients(view: Any) -> str:
    """The origin of a view that cannot take gradients when what it views has got some; '' for others."""
    links = [*_links(view, with_gradients=False)]
    if any(one in SEVERAL for one in links):
        return THERE + OF_SEVERAL
    return THERE if NO_GRAD in links else ""


def mark_written(view: Any) -> None:
    """What a view with gradients shows was written another way: from now on it is a view at places in memory.

    Of several views that were made at once, it is one that must not be used with gradients any more.
    """
    meta = view._meta
    if meta.leaf or is_apart(view._link):
        return
    origin = _place_among_several(view)
    if not origin and not meta.dtype.is_complex and not view._base._meta.dtype.is_complex:
        origin = "as_strided"
    if origin and origin != meta.origin:
        view._meta = meta.replace(origin=origin)


def mark_taking_part(view: Any) -> None:
    """A view without gradients shows elements that have some by now."""
    origin = _made_without_gradients(view) or "as_strided"
    view._meta = view._meta.replace(requires_grad=True, leaf=False, origin=origin)


def _refuse(origin: str, what: str) -> NoReturn:
    if origin.startswith(THERE):
        remedy = REMEDY if origin.endswith(OF_SEVERAL) else NO_GRAD_REMEDY
        fail(RuntimeError, THERE + what + " with grad mode enabled." + remedy)
    fail(
        RuntimeError,
        f"{origin}is a view and {what}.{REMEDY}",
        try_="a slice of the tensor: x[i] in place of x.unbind()[i]",
    )


def refuse_written(tensors: Iterable[Any], made: Sequence[Any] | None = None) -> None:
    """PyTorch's error where such a view is used after what it views was written.

    Unless nothing of what is `made` of it can have gradients: results of a comparison.
    """
    if made is not None and not any(
        getattr(one, "value", one).dtype.is_differentiable for one in made
    ):
        return
    for tensor in tensors:
        origin = tensor._meta.origin or ""
        if origin.startswith(WRITTEN):
            _refuse(origin, "its base or another view of its base has been modified inplace")


def refuse_ambiguous(view: Any, with_gradients: bool) -> None:
    """PyTorch's errors for writes to one of several views that were made at once, and to views of a no_grad block.

    One of several views without gradients may be written, but not `with_gradients`.
    """
    place = _place_among_several(view)
    if place:
        _refuse(place, "is being modified inplace")
    if with_gradients and any(one in SEVERAL for one in _links(view, with_gradients=False)):
        _refuse(THERE + OF_SEVERAL, "is being modified inplace")
    base = view
    while base._base is not None and not base._meta.requires_grad:
        if is_apart(base._link):
            return
        base = base._base
    if base is not view and base._meta.requires_grad and not base._meta.leaf:
        _refuse(THERE, "is being modified inplace")
