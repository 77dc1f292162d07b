"""The C library's functions on vectors, lane by lane: for arguments that the fast formulas leave out."""

from __future__ import annotations

from alight.backends.cpu.code import Code, Value, element_type, lanes


def by_lanes(code: Code, name: str, *arguments: Value) -> Value:
    """The library's function of that name."""
    type = arguments[0].type
    element, size = element_type(type), 4 if element_type(type) == "float" else 8
    symbol = name + ("f" if element == "float" else "")
    if lanes(type) == 1:
        return code.call(type, symbol, *arguments)
    places = [code.array(type, 1) for _ in arguments]
    for place, argument in zip(places, arguments, strict=True):
        code.store(argument, place)
    with code.loop(code.integer(0), code.integer(lanes(type))) as i:
        parts = [code.load(element, code.element(place, i, size)) for place in places]
        code.store(code.call(element, symbol, *parts), code.element(places[0], i, size))
    return code.load(type, places[0])
