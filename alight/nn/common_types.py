"""torch.nn.common_types: names of types in signatures of layers, for programs that annotate theirs with them."""

from __future__ import annotations

from typing import Any

from alight.tensor import Tensor

_size_any_t: Any = int | tuple[int, ...]
_size_1_t: Any = int | tuple[int]
_size_2_t: Any = int | tuple[int, int]
_size_3_t: Any = int | tuple[int, int, int]
_size_4_t: Any = int | tuple[int, int, int, int]
_size_5_t: Any = int | tuple[int, int, int, int, int]
_size_6_t: Any = int | tuple[int, int, int, int, int, int]
_ratio_2_t: Any = float | tuple[float, float]
_ratio_3_t: Any = float | tuple[float, float, float]
_ratio_any_t: Any = float | tuple[float, ...]
_tensor_list_t: Any = Tensor | list[Tensor]
_maybe_indices_t: Any = Tensor | tuple[Tensor, Tensor]
