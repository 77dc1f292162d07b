"""Named tuples of operations with several results, as `torch.return_types` has them.

Written out without `collections.namedtuple`, which compiles source for each class: that would be felt at import.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any


class Results(tuple[Any, ...]):
    """A tuple whose places have names; prints as in PyTorch."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()

    def __new__(cls, *values: Any) -> Results:
        return tuple.__new__(cls, values)

    def __repr__(self) -> str:
        rows = (f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
        return f"torch.return_types.{type(self).__name__}(\n" + ",\n".join(rows) + ")"

    def __reduce__(self) -> tuple[Any, ...]:
        return named, (type(self).__name__, tuple(self))


def named(name: str, values: tuple[Any, ...]) -> Results:
    """The result called `name`, from its values: how pickles build one again."""
    return globals()[name](*values)


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
    "P L U": "linalg_lu lu_unpack",
    "solution residuals rank singular_values": "linalg_lstsq",
    "solution cloned_coefficient": "triangular_solve",
    "mantissa exponent": "frexp",
    "hist bin_edges": "histogram histogramdd",
    "a tau": "geqrf",
    "LU pivots info": "linalg_lu_factor_ex",
    "LD pivots": "linalg_ldl_factor",
    "LD pivots info": "linalg_ldl_factor_ex",
}


def _define(name: str, fields: list[str]) -> type[Results]:
    body: dict[str, Any] = {field: property(itemgetter(i)) for i, field in enumerate(fields)}
    body.update(
        __slots__=(), _fields=tuple(fields), __module__="torch.return_types",
        __doc__=f"What `{name}` returns: {', '.join(fields)}.",
    )  # fmt: skip
    return type(name, (Results,), body)


for _fields, _names in _FIELDS.items():
    for _name in _names.split():
        globals()[_name] = _define(_name, _fields.split())


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'torch.return_types' has no attribute '{name}'")
