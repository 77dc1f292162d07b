"""Named tuples of operations with several results, as `torch.return_types` has them."""

from __future__ import annotations

from collections import namedtuple
from typing import Any


def _named(name: str, *fields: str) -> Any:
    made = namedtuple(name, fields)  # noqa: PYI024  (fields come from the table below)
    made.__module__ = "torch.return_types"
    made.__repr__ = _text  # type: ignore[method-assign, assignment]
    made.__doc__ = f"What `{name}` returns: {', '.join(fields)}."
    return made


def _text(self: Any) -> str:
    rows = (f"{name}={getattr(self, name)!r}" for name in self._fields)
    return f"torch.return_types.{type(self).__name__}(\n" + ",\n".join(rows) + ")"


_FIELDS = {
    "values indices": "max min median nanmedian mode sort topk kthvalue cummax cummin",
    "min max": "aminmax",
    "sign logabsdet": "slogdet linalg_slogdet",
    "Q R": "qr linalg_qr",
    "U S V": "svd",
    "U S Vh": "linalg_svd",
    "eigenvalues eigenvectors": "linalg_eigh linalg_eig",
    "L info": "linalg_cholesky_ex",
    "inverse info": "linalg_inv_ex",
    "result info": "linalg_solve_ex",
    "LU pivots": "linalg_lu_factor",
    "P L U": "linalg_lu",
    "solution residuals rank singular_values": "linalg_lstsq",
}
globals().update(
    {name: _named(name, *fields.split()) for fields, names in _FIELDS.items() for name in names.split()}
)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'torch.return_types' has no attribute '{name}'")
