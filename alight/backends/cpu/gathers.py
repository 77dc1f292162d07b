"""Vectors from and to places in memory that do not lie side by side.

In: a pointer and a vector of i64 indices. Out: one instruction, under a mask where not all lanes are valid.
"""

from __future__ import annotations

from alight.backends.cpu.code import Code, Value, element_type, lanes, mangled, vector


def gather(code: Code, pointer: Value, spots: Value, type: str, mask: Value | None) -> Value:
    """Elements of a type at `spots`; lanes outside the mask are zero."""
    count = lanes(spots.type)
    places = _places(code, pointer, spots, type)
    if count == 1:  # a vector of one is no vector to LLVM
        return code.load(type, places)
    many = vector(type, count)
    mask = mask or code.constant(True, vector("i1", count))
    name = f"llvm.masked.gather.{mangled(many)}.v{count}p0"
    code.declared[name] = f"declare {many} @{name}(<{count} x ptr>, i32, <{count} x i1>, {many})"
    return code.op(
        f"call {many} @{name}({places.typed}, i32 1, {mask.typed}, {many} zeroinitializer)",
        type=many,
    )


def scatter(code: Code, pointer: Value, spots: Value, value: Value, mask: Value | None) -> None:
    """Write the lanes inside the mask to `spots`."""
    count = lanes(spots.type)
    places = _places(code, pointer, spots, element_type(value.type))
    if count == 1:
        code.store(value, places)
        return
    mask = mask or code.constant(True, vector("i1", count))
    name = f"llvm.masked.scatter.{mangled(value.type)}.v{count}p0"
    code.declared[name] = (
        f"declare void @{name}({value.type}, <{count} x ptr>, i32, <{count} x i1>)"
    )
    code.line(f"call void @{name}({value.typed}, {places.typed}, i32 1, {mask.typed})")


def _places(code: Code, pointer: Value, spots: Value, type: str) -> Value:
    text = f"getelementptr {type}, ptr {pointer.text}, {spots.typed}"
    return code.op(text, type=vector("ptr", lanes(spots.type)))
