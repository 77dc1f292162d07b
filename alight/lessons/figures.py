"""Figures: curves, images and curves that grow while a model trains.

In: numbers and images. Out: a figure in the notebook, in a window, or in a PNG file whose path is printed.
Which of the three is decided when the first figure is drawn: by the notebook's kernel, else by Matplotlib's choice
of a window; where neither is there, `lessons/picture_files.py` writes files.
"""

from __future__ import annotations

import atexit
import sys
import time
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from typing import Any

from alight.errors import fail

FORMATS = ("-", "m--", "g-.", "r:")
FILES = "module://alight.lessons.picture_files"
REDRAW_AFTER = 0.2  # seconds between two drawings of a growing figure in a window

Limits = Sequence[float] | None


@cache
def pyplot() -> Any:
    """Matplotlib's pyplot, with a way to show figures on this machine."""
    try:
        plt = import_module("matplotlib.pyplot")
    except ImportError:
        fail(
            ImportError,
            "figures need Matplotlib, which is not installed",
            try_="pip install matplotlib",
        )
    if not in_notebook() and plt.get_backend().lower() == "agg":
        plt.switch_backend(FILES)
    atexit.register(_show_what_is_left, plt)
    return plt


def in_notebook() -> bool:
    """Whether a notebook's kernel runs this program."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def use_svg_display() -> None:
    """Sharp figures in a notebook; nothing elsewhere.

    >>> from alight import lessons as d2l
    >>> d2l.use_svg_display()
    """
    if in_notebook():
        import_module("matplotlib_inline.backend_inline").set_matplotlib_formats("svg")


def set_figsize(figsize: tuple[float, float] = (3.5, 2.5)) -> None:
    """The size of the figures to come, in inches; the next thing drawn begins a new one.

    >>> from alight import lessons as d2l
    >>> d2l.set_figsize((4, 3))
    """
    use_svg_display()
    _finish_last()
    pyplot().rcParams["figure.figsize"] = figsize


def set_axes(
    axes: Any,
    xlabel: str | None,
    ylabel: str | None,
    xlim: Limits,
    ylim: Limits,
    xscale: str,
    yscale: str,
    legend: Sequence[str] | None,
) -> None:
    """Labels, scales, limits and legend of `axes`, and a grid.

    >>> from alight import lessons as d2l
    >>> axes = d2l.plt.gca()
    >>> d2l.set_axes(axes, "x", "y", [0, 1], [0, 2], "linear", "linear", ["line"])
    >>> axes.get_xlabel()
    'x'
    >>> d2l.plt.close("all")
    """
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.set_xscale(xscale)
    axes.set_yscale(yscale)
    if xlim is None or xlim[0] != xlim[1]:  # of a single epoch: left to Matplotlib
        axes.set_xlim(xlim)
    axes.set_ylim(ylim)
    if legend:
        axes.legend(legend)
    axes.grid()


def plot(
    X: Any,
    Y: Any = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    legend: Sequence[str] | None = None,
    xlim: Limits = None,
    ylim: Limits = None,
    xscale: str = "linear",
    yscale: str = "linear",
    fmts: Sequence[str] = FORMATS,
    figsize: tuple[float, float] = (3.5, 2.5),
    axes: Any = None,
) -> None:
    """Curves: one of Y against X, or several for lists of them; a single argument is Y.

    The figure is shown when the program ends or draws the next: in the notebook, a window, or
    as a PNG file whose path is printed.

    >>> from alight import lessons as d2l
    >>> x = d2l.arange(0, 3, 0.1)
    >>> d2l.plot(x, [x**2, 2 * x], "x", "f(x)", legend=["square", "double"])
    >>> d2l.plt.close("all")
    """
    if axes is None:
        set_figsize(figsize)
        axes = _fresh_axes()
    curves_x, curves_y = _curves(X), _curves(Y) if Y is not None else []
    if Y is None:
        curves_x, curves_y = [[]] * len(curves_x), curves_x
    elif len(curves_x) != len(curves_y):
        curves_x = curves_x * len(curves_y)
    axes.cla()
    for x, y, fmt in zip(curves_x, curves_y, _cycle(fmts, len(curves_y)), strict=False):
        axes.plot(x, y, fmt) if len(x) else axes.plot(y, fmt)
    set_axes(axes, xlabel, ylabel, xlim, ylim, xscale, yscale, legend)


def show_images(
    imgs: Any,
    num_rows: int,
    num_cols: int,
    titles: Sequence[str] | None = None,
    scale: float = 1.5,
) -> Any:
    """A table of images, tensors (h, w) or (h, w, c) or PIL pictures; the array of its axes.

    >>> from alight import lessons as d2l
    >>> d2l.show_images(d2l.rand(2, 4, 4), 1, 2, titles=["a", "b"]).shape
    (2,)
    >>> d2l.plt.close("all")
    """
    _finish_last()
    _, grid = pyplot().subplots(
        num_rows, num_cols, figsize=(num_cols * scale, num_rows * scale), squeeze=False
    )
    axes = grid.flatten()
    for index, (cell, image) in enumerate(zip(axes, imgs, strict=False)):
        cell.imshow(_plain(image))
        cell.axes.get_xaxis().set_visible(False)
        cell.axes.get_yaxis().set_visible(False)
        if titles:
            cell.set_title(titles[index])
    return axes


def show_heatmaps(
    matrices: Any,
    xlabel: str,
    ylabel: str,
    titles: Sequence[str] | None = None,
    figsize: tuple[float, float] = (2.5, 2.5),
    cmap: str = "Reds",
) -> None:
    """A table of heat maps from a tensor (rows, columns, height, width).

    >>> from alight import lessons as d2l
    >>> d2l.show_heatmaps(d2l.rand(1, 2, 3, 3), "keys", "queries")
    >>> d2l.plt.close("all")
    """
    use_svg_display()
    _finish_last()
    rows, columns = matrices.shape[0], matrices.shape[1]
    figure, grid = pyplot().subplots(
        rows, columns, figsize=figsize, sharex=True, sharey=True, squeeze=False
    )
    shown = None
    for i, row in enumerate(grid):
        for j, axes in enumerate(row):
            shown = axes.imshow(_plain(matrices[i][j]), cmap=cmap)
            if i == rows - 1:
                axes.set_xlabel(xlabel)
            if j == 0:
                axes.set_ylabel(ylabel)
            if titles:
                axes.set_title(titles[j])
    figure.colorbar(shown, ax=grid, shrink=0.6)


def annotate(text: str, xy: tuple[float, float], xytext: tuple[float, float]) -> None:
    """Write `text` into the figure, with an arrow to `xy` from `xytext`.

    >>> from alight import lessons as d2l
    >>> d2l.plot([0, 1], [0, 1])
    >>> d2l.annotate("here", (0.5, 0.5), (0.2, 0.8))
    >>> d2l.plt.close("all")
    """
    pyplot().gca().annotate(text, xy=xy, xytext=xytext, arrowprops={"arrowstyle": "->"})


class Animator:
    """A figure that grows while a model trains: add(x, y) with one y, or one for each curve.

    >>> from alight import lessons as d2l
    >>> animator = d2l.Animator(xlabel="epoch", xlim=[1, 3], legend=["loss", "accuracy"])
    >>> animator.add(1, (0.9, 0.5))
    >>> animator.add(2, (0.7, None))
    >>> d2l.plt.close("all")
    """

    def __init__(
        self,
        xlabel: str | None = None,
        ylabel: str | None = None,
        legend: Sequence[str] | None = None,
        xlim: Limits = None,
        ylim: Limits = None,
        xscale: str = "linear",
        yscale: str = "linear",
        fmts: Sequence[str] = FORMATS,
        nrows: int = 1,
        ncols: int = 1,
        figsize: tuple[float, float] = (3.5, 2.5),
    ) -> None:
        self.X: list[list[Any]] = []
        self.Y: list[list[Any]] = []
        self.fmts = fmts
        self._style = (xlabel, ylabel, xlim, ylim, xscale, yscale, legend or [])
        self._drawn_at = 0.0
        try:
            plt = pyplot()
        except ImportError as error:
            print(str(error).replace("\n", ";"))
            self.fig: Any = None
            self.axes: Any = None
            return
        use_svg_display()
        _finish_last()
        self.fig, grid = plt.subplots(nrows, ncols, figsize=figsize, squeeze=False)
        self.axes = list(grid.flatten())
        save, self.fig.draw_late = self.fig.savefig, self.draw

        def savefig(*args: Any, **kwargs: Any) -> None:
            self.draw()
            save(*args, **kwargs)

        self.fig.savefig = savefig  # curves are drawn when somebody looks, not at each point

    def config_axes(self) -> None:
        """Labels, scales, limits and legend of the first axes."""
        set_axes(self.axes[0], *self._style)

    def add(self, x: Any, y: Any) -> None:
        """Add a point to each curve; None adds none to its curve.

        >>> from alight import lessons as d2l
        >>> animator = d2l.Animator()
        >>> animator.add(1, 0.9)
        >>> d2l.plt.close("all")
        """
        ys = list(y) if hasattr(y, "__len__") else [y]
        xs = list(x) if hasattr(x, "__len__") else [x] * len(ys)
        if not self.X:
            self.X, self.Y = [[] for _ in ys], [[] for _ in ys]
        for index, (a, b) in enumerate(zip(xs, ys, strict=True)):
            if a is not None and b is not None:
                self.X[index].append(_plain(a))
                self.Y[index].append(_plain(b))
        if self.fig is not None:
            self._show()

    def draw(self) -> None:
        """Draw all curves as they are now."""
        self.axes[0].cla()
        for x, y, fmt in zip(self.X, self.Y, _cycle(self.fmts, len(self.X)), strict=False):
            self.axes[0].plot(x, y, fmt)
        self.config_axes()

    def _show(self) -> None:
        plt = pyplot()
        if in_notebook():
            display = import_module("IPython.display")
            self.draw()
            display.display(self.fig)
            display.clear_output(wait=True)
        elif plt.get_backend() != FILES and time.monotonic() - self._drawn_at > REDRAW_AFTER:
            self.draw()
            plt.pause(0.001)
            self._drawn_at = time.monotonic()


def _fresh_axes() -> Any:
    """The axes of a new figure, or of the one that the program has just begun itself."""
    plt = pyplot()
    if plt.get_fignums() and not plt.gcf().axes:
        return plt.gca()
    _finish_last()
    return plt.gca() if in_notebook() else plt.figure().gca()


def _finish_last() -> None:
    """Where figures become files, the one before this is complete when this one begins."""
    plt = pyplot()
    if plt.get_backend() == FILES and plt.get_fignums() and plt.gcf().axes:
        plt.show()


def _show_what_is_left(plt: Any) -> None:
    """At the program's end: figures that nobody has shown."""
    if in_notebook() or not plt.get_fignums():
        return
    for number in plt.get_fignums():
        finish = getattr(plt.figure(number), "draw_late", None)
        if finish is not None:
            finish()
    plt.show()


def _curves(data: Any) -> list[Any]:
    """One curve or several, as a list of curves."""
    if hasattr(data, "ndim"):
        return [_plain(data)] if data.ndim == 1 else [_plain(row) for row in data]
    if isinstance(data, list | tuple) and (not data or not hasattr(data[0], "__len__")):
        return [[_plain(value) for value in data]]
    return [_plain(row) for row in data]


def _plain(values: Any) -> Any:
    """A tensor as an array; anything else as it is."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else values


def _cycle(fmts: Sequence[str], count: int) -> Iterable[str]:
    return [fmts[index % len(fmts)] for index in range(count)]
