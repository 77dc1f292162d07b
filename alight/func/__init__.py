"""torch.func: functions that make functions - gradients, Jacobians, batches.

A function is recorded once, apart from everything else, as a program; gradients, tangents and batches are transformations
of that program (`alight.transforms`). They nest in any order, and `autograd` differentiates through them.
"""

from __future__ import annotations

from alight.func.gradients import grad, grad_and_value, jvp, linearize, vjp
from alight.func.jacobians import hessian, jacfwd, jacrev
from alight.func.stateless import (
    functional_call,
    replace_all_batch_norm_modules_,
    stack_module_state,
)
from alight.func.vectorize import vmap
from alight.offered import listing

__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize",
    "replace_all_batch_norm_modules_", "stack_module_state", "vjp", "vmap",
]  # fmt: skip


__dir__ = listing(globals())
