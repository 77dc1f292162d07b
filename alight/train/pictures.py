"""The pictures of a run.

In: the rows of numbers, the test images and what the model says of them. Out: PNG files as bytes.
Drawn with Matplotlib's Agg canvas, without a display and without pyplot's global state.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

BLUE, ORANGE, RED, GREY = "#2a6fb0", "#e07b28", "#c8342b", "#666666"
COLUMNS = 10  # images in a row of predictions.png
FIRST_ROWS, WRONG_ROWS = 3, 2


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def curves(rows: list[dict[str, Any]], title: str) -> bytes:
    """Loss and accuracy of training and test, epoch by epoch."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = _figure(10, 4)
    figure.suptitle(title)
    epochs = [row["epoch"] for row in rows]
    for position, quantity in enumerate(("loss", "accuracy"), start=1):
        axes = figure.add_subplot(1, 2, position)
        for half, colour in (("train", BLUE), ("test", ORANGE)):
            values = [row[f"{half}_{quantity}"] for row in rows]
            last = f"{values[-1]:.3f}" if quantity == "loss" else f"{values[-1]:.1%}"
            axes.plot(epochs, values, "o-", color=colour, markersize=4, label=f"{half} ({last})")
        axes.set_title(quantity)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if quantity == "accuracy":
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return _png(figure)


def predictions(
    images: Array, labels: Array, predicted: Array, confidence: Array, classes: list[str]
) -> bytes:
    """The first test images and the surest mistakes, with what was predicted; wrong ones framed in red."""
    first = np.arange(min(FIRST_ROWS * COLUMNS, len(images)))
    wrong = np.flatnonzero(predicted != labels)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")][: WRONG_ROWS * COLUMNS]
    figure = _figure(13, 9.6)
    parts = figure.subfigures(2, 1, height_ratios=[FIRST_ROWS, WRONG_ROWS])
    titles = (
        f"The first {len(first)} test images: predicted class and its probability",
        f"The {len(wrong)} surest mistakes of {(predicted != labels).sum()} among {len(labels)} test images",
    )
    for part, chosen, row_count, title in zip(
        parts, (first, wrong), (FIRST_ROWS, WRONG_ROWS), titles, strict=True
    ):
        part.suptitle(title, fontsize=12)
        cells = part.subplots(row_count, COLUMNS).flat
        for axes, index in zip(cells, [*chosen, *[None] * (row_count * COLUMNS)], strict=False):
            axes.set_axis_off()
            if index is not None:
                guess, truth = classes[predicted[index]], classes[labels[index]]
                _draw_cell(axes, images[index], guess, truth, confidence[index])
    return _png(figure)


def _draw_cell(axes: Any, image: Array, guess: str, truth: str, confidence: float) -> None:
    axes.set_axis_on()
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=255)
    axes.set_xticks([])
    axes.set_yticks([])
    right = guess == truth
    for spine in axes.spines.values():
        spine.set_color(GREY if right else RED)
        spine.set_linewidth(0.6 if right else 2.4)
    axes.set_title(f"{guess}, {confidence:.0%}", fontsize=8, color="black" if right else RED)
    if not right:
        axes.set_xlabel(f"is {truth}", fontsize=8, color=GREY)


def confusion(labels: Array, predicted: Array, classes: list[str]) -> bytes:
    """How many images of each class (rows) were taken for which (columns)."""
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = _figure(8.2, 7.4)
    axes = figure.add_subplot()
    shown = axes.imshow(np.sqrt(share), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(f"{np.trace(counts)} of {counts.sum()} test images right")
    for row, column in np.argwhere(counts):
        colour = "white" if share[row, column] > 0.3 else "black"
        axes.text(
            column, row, counts[row, column], ha="center", va="center", color=colour, fontsize=9
        )
    bar = figure.colorbar(shown, shrink=0.75, ticks=np.sqrt([0, 0.01, 0.1, 0.25, 0.5, 1]))
    bar.ax.set_yticklabels(["0 %", "1 %", "10 %", "25 %", "50 %", "100 %"])
    bar.set_label("share of the true class")
    return _png(figure)
