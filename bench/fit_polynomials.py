"""Fits the polynomials of the compiled mathematical functions: `python -m bench.fit_polynomials`.

In: the table below. Out: alight/backends/cpu/polynomials.py, and the relative error of each polynomial. Each is minimax
(Remez' exchange, with 80 digits) in the relative error of the whole function; coefficients are rounded to the format
from the lowest power on, and those that are left are fitted again, so that rounding costs next to nothing.
Needs mpmath.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mpmath import mp, mpf

mp.dps = 80
OUT = Path(__file__).parents[1] / "alight/backends/cpu/polynomials.py"
GRID = 400
FITTED_AGAIN = 5  # coefficients whose rounding is worth another fit of the rest


class Fit(NamedTuple):
    """f(x) is about head(x) + factor(x) * P(power(x))."""

    name: str
    meaning: str
    function: Callable
    head: Callable
    factor: Callable
    power: Callable
    low: float
    high: float
    degree: dict[str, int]  # of P, for each format


def one(x):
    return x


def square(x):
    return x * x


SINGLE, DOUBLE, MIXED = "float", "double", "mixed"  # mixed: doubles, accurate enough for a float
FITS = [
    Fit("EXPM1", "exp(x) - 1 = x + x^2 P(x), |x| up to log(2) / 2", mp.expm1, one, square, one,
        -0.3467, 0.3467, {SINGLE: 5, DOUBLE: 10}),
    Fit("EXP", "exp(x) = 1 + x + x^2 P(x), |x| up to log(2) / 2", mp.exp, lambda x: 1 + x, square, one,
        -0.3467, 0.3467, {SINGLE: 4, DOUBLE: 9, MIXED: 5}),
    Fit("LOG1P", "log(1 + x) = x - x^2 / 2 + x^3 P(x), 1 + x from sqrt(1/2) to sqrt(2)", mp.log1p,
        lambda x: x - x * x / 2, lambda x: x**3, one, -0.29290, 0.41422, {SINGLE: 7, DOUBLE: 20, MIXED: 10}),
    Fit("ATANH", "log((1 + x) / (1 - x)) = 2 x + 2/3 x^3 + x^5 P(x^2), |x| up to 0.172", lambda x: 2 * mp.atanh(x),
        lambda x: 2 * x + 2 * x**3 / 3, lambda x: x**5, square, 0, 0.1716, {DOUBLE: 7}),
    Fit("SIN", "sin(x) = x + x^3 P(x^2), |x| up to pi / 4 and a little more", mp.sin, one, lambda x: x**3, square,
        0, 0.81, {SINGLE: 3, DOUBLE: 6}),
    Fit("COS", "cos(x) = 1 - x^2 / 2 + x^4 P(x^2), the same", mp.cos, lambda x: 1 - x * x / 2, lambda x: x**4, square,
        0, 0.81, {SINGLE: 2, DOUBLE: 5}),
    Fit("TAN", "tan(x) = x + x^3 P(x^2), the same", mp.tan, one, lambda x: x**3, square,
        0, 0.81, {SINGLE: 6, DOUBLE: 14}),
    Fit("ASIN", "asin(x) = x + x^3 P(x^2), |x| up to 0.5625", mp.asin, one, lambda x: x**3, square,
        0, 0.5625, {SINGLE: 5, DOUBLE: 13}),
    Fit("ATAN", "atan(x) = x + x^3 P(x^2), |x| up to 1", mp.atan, one, lambda x: x**3, square,
        0, 1, {SINGLE: 8, DOUBLE: 19}),
    Fit("SINH", "sinh(x) = x + x^3 P(x^2), |x| up to 1", mp.sinh, one, lambda x: x**3, square,
        0, 1, {SINGLE: 3, DOUBLE: 6}),
    Fit("TANH", "tanh(x) = x + x^3 P(x^2), |x| up to 0.625", mp.tanh, one, lambda x: x**3, square,
        0, 0.626, {SINGLE: 4, DOUBLE: 11}),
]  # fmt: skip


def scaled_erfcx(place):
    """(x + 11/16) exp(x^2) erfc(x) where (x - 3.25) / (x + 3.25) is the place."""
    x = mpf(13) / 4 * (1 + place) / (1 - place)
    return (x + mpf(11) / 16) * mp.exp(x * x) * mp.erfc(x)


PRINTED = [  # for alight/primitives/special.py, by hand; its exponential is EXP for doubles
    Fit("ERF", "erf(x) = x + x P(x^2), |x| up to 1", mp.erf, one, one, square, 0, 1, {DOUBLE: 12}),
    Fit("ERFCX_SCALED", "scaled_erfcx(x) = 41/64 + P(x)", scaled_erfcx, lambda x: mpf(41) / 64, lambda x: mpf(1), one,
        (0.46875 - 3.25) / (0.46875 + 3.25), (27.5 - 3.25) / (27.5 + 3.25), {DOUBLE: 21}),
]  # fmt: skip


class Problem:
    """One polynomial on a grid: minimise the largest |weight (target - P)|."""

    def __init__(self, fit: Fit, degree: int) -> None:
        self.degree = degree
        middle, half = mpf(fit.low + fit.high) / 2, mpf(fit.high - fit.low) / 2
        points = [middle - half * mp.cos(mp.pi * k / GRID) for k in range(GRID + 1)]
        points = [x for x in points if abs(x) > 1e-6]
        self.x = [fit.power(x) for x in points]
        values = [fit.function(x) for x in points]
        factors = [fit.factor(x) for x in points]
        self.target = [
            (y - fit.head(x)) / f for x, y, f in zip(points, values, factors, strict=True)
        ]
        self.weight = [abs(f / y) for y, f in zip(values, factors, strict=True)]

    def errors(self, coefficients: list) -> list:
        """Weighted error at every point; coefficients from the lowest power on."""
        high_first = list(reversed(coefficients))
        return [
            w * (t - mp.polyval(high_first, x))
            for w, t, x in zip(self.weight, self.target, self.x, strict=True)
        ]

    def without(self, fixed: list) -> Problem:
        """What is left to fit when the first coefficients are given: (target - known) / x^count."""
        rest = object.__new__(Problem)
        rest.degree, known = self.degree - len(fixed), list(reversed(fixed)) or [mpf(0)]
        weights = [w * abs(x) ** len(fixed) for w, x in zip(self.weight, self.x, strict=True)]
        matter = [i for i, w in enumerate(weights) if w > 1e-9 * max(weights)]
        rest.x, rest.weight = [self.x[i] for i in matter], [weights[i] for i in matter]
        rest.target = [
            (self.target[i] - mp.polyval(known, self.x[i])) / self.x[i] ** len(fixed)
            for i in matter
        ]
        return rest

    def minimax(self) -> list:
        """The best polynomial: Remez' exchange."""
        count, free = len(self.x), self.degree + 1
        at = [round(k * (count - 1) / free) for k in range(free + 1)]
        best: tuple = (mpf("inf"), [])
        for _ in range(40):
            rows, right = [], []
            for k, i in enumerate(at):
                rows.append([*[self.x[i] ** j for j in range(free)], (-1) ** k / self.weight[i]])
                right.append(self.target[i])
            solution = mp.lu_solve(mp.matrix(rows), mp.matrix(right))
            found = [solution[j] for j in range(free)]
            errors = self.errors(found)
            largest = max(map(abs, errors))
            if largest < best[0]:
                best = (largest, found)
            following = extrema(errors, free + 1)
            if following is None or following == at:
                break
            if largest <= abs(solution[free]) * mpf("1.001"):
                break
            at = following
        return best[1]


def extrema(errors: list, count: int) -> list[int] | None:
    """`count` places of alternating extreme errors, the smallest ends dropped."""
    places: list[int] = []
    for i, error in enumerate(errors):
        if error == 0:
            continue
        if places and (errors[places[-1]] > 0) == (error > 0):
            if abs(error) > abs(errors[places[-1]]):
                places[-1] = i
        else:
            places.append(i)
    while len(places) > count:
        sizes = [abs(errors[i]) for i in places]
        k = sizes.index(min(sizes))
        if len(places) == count + 1:
            k = 0 if sizes[0] < sizes[-1] else len(places) - 1
        inside = 0 < k < len(places) - 1
        del places[k : k + 1 + inside]  # with a neighbour inside, so that signs go on alternating
    return places if len(places) == count else None


def rounded(value, format: str):
    """To the nearest number of the format."""
    return mpf(float(np.float32(float(value)))) if format == SINGLE else mpf(float(value))


def fitted(fit: Fit, format: str) -> tuple[list[float], float]:
    """Coefficients from the highest power on, and the largest relative error."""
    problem = Problem(fit, fit.degree[format])
    fixed: list = []
    while len(fixed) <= problem.degree:
        rest = problem.without(fixed).minimax()
        keep = 1 if len(fixed) < FITTED_AGAIN else len(rest)
        fixed.extend(rounded(c, format) for c in rest[:keep])
    return [float(c) for c in reversed(fixed)], float(max(map(abs, problem.errors(fixed))))


HEAD = '''"""Coefficients of the mathematical functions, highest power first. Written by bench/fit_polynomials.py.

"float" and "double" are for their formats; "mixed" is computed in double for a result that is rounded to float.
"""

from __future__ import annotations

'''


def main() -> None:
    """Fit all, print the errors, write the file."""
    for fit in PRINTED:
        print(fit.name, *fitted(fit, DOUBLE))
    parts = [HEAD]
    for fit in FITS:
        lines = [f"# {fit.meaning}\n{fit.name} = {{\n"]
        for format in fit.degree:
            coefficients, error = fitted(fit, format)
            print(
                f"{fit.name:6} {format:6} degree {fit.degree[format]:2}  error {error:.2e}  2^{np.log2(error):.1f}"
            )
            sys.stdout.flush()
            numbers = ", ".join(map(repr, coefficients))
            lines.append(
                f'    "{format}": (  # relative error {error:.1e}\n        {numbers},\n    ),\n'
            )
        parts.append("".join(lines) + "}\n")
    OUT.write_text("\n".join(parts))


if __name__ == "__main__":
    main()
