"""Parameters in lists and dictionaries."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from alight.errors import fail
from alight.nn.module import Module
from alight.nn.parameter import Parameter
from alight.tensor import Tensor


def place_of(size: int, index: Any) -> int:
    """A place counted from the front; IndexError where there is none."""
    index = operator.index(index)
    if not -size <= index < size:
        fail(
            IndexError,
            f"index {index} is out of range",
            facts=[f"there are {size} layers, from 0 to {size - 1}"]
            if size
            else ["it holds nothing"],
            try_="[-1] for the last one",
        )
    return index % size


class ParameterList(Module):
    """A list of parameters, all of them registered; tensors become parameters.

    >>> import alight as torch
    >>> weights = torch.nn.ParameterList([torch.ones(2), torch.zeros(3)])
    >>> weights
    ParameterList(
        (0): Parameter containing: [torch.float32 of size 2]
        (1): Parameter containing: [torch.float32 of size 3]
    )
    >>> weights[0].requires_grad
    True
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.__class__([self[i] for i in range(len(self))[index]])
        return getattr(self, str(place_of(len(self), index)))

    def __setitem__(self, index: int, value: Any) -> None:
        if isinstance(value, Tensor) and not isinstance(value, Parameter):
            value = Parameter(value)
        setattr(self, str(place_of(len(self), index)), value)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]

    def append(self, value: Any) -> ParameterList:
        """Add a value at the end; gives the list back.

        >>> import alight as torch
        >>> torch.nn.ParameterList().append(torch.ones(2))[0]
        Parameter containing:
        tensor([1., 1.], requires_grad=True)
        """
        self._size += 1
        self[self._size - 1] = value
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add several values at the end; gives the list back. TypeError for a tensor or what is no
        sequence.

        >>> import alight as torch
        >>> len(torch.nn.ParameterList().extend([torch.ones(2), torch.ones(3)]))
        2
        """
        if not hasattr(values, "__iter__") or isinstance(values, Tensor):
            raise TypeError(
                f"ParameterList.extend should be called with an iterable, but got {type(values).__name__}"
            )
        for value in list(values):
            self.append(value)
        return self

    def extra_repr(self) -> str:
        """A line for each value."""
        return "\n".join(f"  ({i}): {_described(value)}" for i, value in enumerate(self))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ParameterList should not be called.")


def _described(value: Any, of: str | None = None) -> str:
    if not isinstance(value, Tensor):
        return f"Object of type: {type(value).__name__}"
    kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
    place = "" if value.device.type == "cpu" else f" ({value.device})"
    size = "x".join(map(str, value.shape))
    return f"{kind} containing: [{of or repr(value.dtype)} of size {size}{place}]"


class ParameterDict(Module):
    """A dictionary of parameters, all of them registered; tensors become parameters.

    TypeError for a key that is no string, AttributeError where one is missing.

    >>> import alight as torch
    >>> weights = torch.nn.ParameterDict({"scale": torch.ones(2)})
    >>> weights["scale"]
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    >>> [name for name, _ in weights.named_parameters()]
    ['scale']
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"Index given to ParameterDict cannot be used as a key as it is not a string (type is {type(key).__name__!r}). Open an issue on github if you need non-string keys.")  # fmt: skip
        if isinstance(value, Tensor) and not isinstance(value, Parameter):
            value = Parameter(value)
        self._keys[key] = None
        setattr(self, key, value)

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._keys))

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def copy(self) -> ParameterDict:
        """Another dictionary of the same parameters.

        >>> import alight as torch
        >>> weights = torch.nn.ParameterDict({"scale": torch.ones(2)})
        >>> weights.copy()["scale"] is weights["scale"]
        True
        """
        return ParameterDict(OrderedDict(self.items()))

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value, set first if there is none.

        >>> import alight as torch
        >>> torch.nn.ParameterDict().setdefault("scale", torch.ones(1))
        Parameter containing:
        tensor([1.], requires_grad=True)
        """
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Take everything out.

        >>> import alight as torch
        >>> weights = torch.nn.ParameterDict({"scale": torch.ones(2)})
        >>> weights.clear()
        >>> len(weights)
        0
        """
        for key in list(self._keys):
            del self[key]

    def pop(self, key: str) -> Any:
        """Take a value out.

        >>> import alight as torch
        >>> torch.nn.ParameterDict({"scale": torch.ones(1)}).pop("scale")
        Parameter containing:
        tensor([1.], requires_grad=True)
        """
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Take the last value out, with its name.

        >>> import alight as torch
        >>> torch.nn.ParameterDict({"scale": torch.ones(1)}).popitem()[0]
        'scale'
        """
        key = list(self._keys)[-1]
        return key, self.pop(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value, or a default.

        >>> import alight as torch
        >>> print(torch.nn.ParameterDict().get("scale"))
        None
        """
        return self[key] if key in self else default  # noqa: SIM401 (this is `get`)

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A dictionary with these keys and one value.

        >>> import alight as torch
        >>> list(torch.nn.ParameterDict().fromkeys(["a", "b"], 1.0).items())
        [('a', 1.0), ('b', 1.0)]
        """
        return ParameterDict((key, default) for key in keys)

    def keys(self) -> Iterable[str]:
        """The names.

        >>> import alight as torch
        >>> list(torch.nn.ParameterDict({"scale": torch.ones(2)}).keys())
        ['scale']
        """
        return self._keys.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names with values.

        >>> import alight as torch
        >>> [name for name, _ in torch.nn.ParameterDict({"scale": torch.ones(2)}).items()]
        ['scale']
        """
        return ((key, self[key]) for key in self._keys)

    def values(self) -> Iterable[Any]:
        """The values.

        >>> import alight as torch
        >>> [one.shape for one in torch.nn.ParameterDict({"scale": torch.ones(2)}).values()]
        [torch.Size([2])]
        """
        return (self[key] for key in self._keys)

    def update(self, parameters: Any) -> None:
        """Add values from a mapping (sorted by name, unless ordered) or from pairs.

        >>> import alight as torch
        >>> weights = torch.nn.ParameterDict()
        >>> weights.update({"b": torch.ones(1), "a": torch.ones(1)})
        >>> list(weights)
        ['a', 'b']
        """
        if not hasattr(parameters, "__iter__"):
            fail(
                TypeError,
                "ParametersDict.update should be called with an iterable of key/value pairs, but got "
                + type(parameters).__name__,
            )
        if isinstance(parameters, (OrderedDict, ParameterDict)):
            pairs: Any = parameters.items()
        elif isinstance(parameters, Mapping):
            pairs = sorted(parameters.items())
        else:
            pairs = parameters
        for key, value in pairs:
            self[key] = value

    def extra_repr(self) -> str:
        """A line for each value."""
        lines = []
        for key, value in self.items():
            of = value.type() if isinstance(value, Tensor) else None
            lines.append(f"  ({key}): {_described(value, of)}")
        return "\n".join(lines)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ParameterDict should not be called.")
