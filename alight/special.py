"""torch.special: special functions, those of `torch` under the names that SciPy gives them among them."""

from typing import Any

import alight as _torch
import alight.ops.special
from alight.ops.operation import SPECIAL as _operations

globals().update(_operations)

# The name here -> the name in `torch`.
_OTHERS = {
    "digamma": "digamma", "erf": "erf", "erfc": "erfc", "erfinv": "erfinv", "exp2": "exp2", "expit": "sigmoid",
    "expm1": "expm1", "gammaln": "lgamma", "log1p": "log1p", "log_softmax": "log_softmax", "logit": "logit",
    "logsumexp": "logsumexp", "multigammaln": "mvlgamma", "polygamma": "polygamma", "psi": "digamma",
    "round": "round", "sinc": "sinc", "softmax": "softmax", "xlogy": "xlogy",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _OTHERS:
        return getattr(_torch, _OTHERS[name])
    raise AttributeError(f"module 'alight.special' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*_operations, *_OTHERS])
