"""`grad_fn`: a readable stand-in for the step that made a tensor."""

from __future__ import annotations

from typing import Any

# Operations whose node PyTorch names otherwise than by its own name in capitals.
_NAMES = {
    "linear": "Addmm", "matmul": "Mm", "getitem": "Select", "flatten": "View", "reshape": "View", "view": "View",
    "true_divide": "Div", "gradient": "Accumulated", "saved": "Saved", "max_dim": "Max", "min_dim": "Min",
    "_pow_known": "Pow", "_max_all": "Max", "_max_along": "Max", "_min_all": "Min", "_min_along": "Min",
    "_median_all": "Median", "_median_along": "Median", "cross_entropy": "NllLoss", "copy_": "CopyBackwards", "CopySlices": "CopySlices",
}  # fmt: skip


class GradFn:
    """Names the operation that made a tensor, as `<AddBackward0 object>`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        """PyTorch's name of the backward node, as AddBackward0."""
        return self._name

    @property
    def next_functions(self) -> Any:
        """The graph behind this node cannot be walked yet."""
        from alight.errors import not_implemented

        not_implemented(
            "grad_fn.next_functions", "alight.explain(), which prints the recorded program"
        )

    def __repr__(self) -> str:
        return f"<{self._name} object>"


def backward_name(operation: str) -> str:
    """PyTorch's name of the backward node of an operation.

    >>> backward_name("log_softmax"), backward_name("add_")
    ('LogSoftmaxBackward0', 'AddBackward0')
    """
    known = _NAMES.get(operation)
    if known == "CopySlices":
        return known
    words = known or "".join(
        word[:1].upper() + word[1:] for word in operation.strip("_").split("_")
    )
    return words if words.endswith("Backwards") else words + "Backward0"


def grad_fn(tensor: Any) -> GradFn | None:
    """The `grad_fn` of a tensor; None for leaves."""
    meta = tensor._meta
    if meta.leaf or not meta.requires_grad:
        return None
    return GradFn(backward_name(meta.origin or "unknown"))
