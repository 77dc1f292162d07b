"""The commands `alight train` and `alight predict`: from arguments to a run.

In: parsed arguments. Out: an exit code, and on the way a run folder or printed predictions.
Everything heavy is imported when a command runs, so that asking for help costs nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alight.train.loop import Evaluation, Training
    from alight.train.run_folder import RunFolder

JOBS = ("fashion-mnist",)
MODEL_NAMES = ("convnet", "lenet", "mlp", "softmax")
OPTIMIZER_NAMES = ("adam", "adamw", "sgd")
LATEST = "latest"
CURVES_EVERY = 20.0  # seconds: drawing takes a quarter of one
INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `alight train`, for an argparse parser.

    >>> import argparse
    >>> from alight.train.command import add_arguments
    >>> parser = argparse.ArgumentParser()
    >>> add_arguments(parser)
    >>> parser.parse_args(["fashion-mnist", "--epochs", "3"]).epochs
    3
    """
    parser.add_argument("job", choices=JOBS, help="what to train on")
    parser.add_argument("--model", choices=MODEL_NAMES, help="default: convnet")
    parser.add_argument(
        "--recipe",
        choices=("short", "long"),
        help="default: short; long: three times the epochs, for the last percent (convnet)",
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the training images")
    parser.add_argument("--batch-size", type=int, metavar="N", help="images in a step")
    parser.add_argument(
        "--lr", type=float, metavar="X", help="learning rate, the highest of a cycle"
    )
    parser.add_argument("--optimizer", choices=OPTIMIZER_NAMES, help="default: the model's recipe")
    parser.add_argument("--seed", type=int, metavar="N", help="of all random numbers; default: 0")
    parser.add_argument("--threads", type=int, metavar="N", help="default: the cores at hand")
    parser.add_argument("--out", metavar="FOLDER", help="default: the next free one in runs/")
    parser.add_argument(
        "--resume",
        nargs="?",
        const=LATEST,
        metavar="FOLDER",
        help="go on with a run; without FOLDER, with the latest in runs/",
    )


def add_predict_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `alight predict`, for an argparse parser.

    >>> import argparse
    >>> from alight.train.command import add_predict_arguments
    >>> parser = argparse.ArgumentParser()
    >>> add_predict_arguments(parser)
    >>> len(parser.parse_args(["runs/1", "a.png"]).images)
    1
    """
    parser.add_argument("run", metavar="RUN", help="the folder of a finished run")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="an image file")


def train(args: argparse.Namespace) -> int:
    """Train as `args` say; 0 when the run is complete, 130 when it was interrupted.

    The arguments are those of `alight train`. 1, with a line on stderr, where the data or the
    run to resume is missing, or the folder is taken.

    >>> from alight.train import train
    >>> train.__name__  # alight train fashion-mnist --epochs 3
    'train'
    """
    import alight
    from alight.vision.archives import DataNotFoundError

    if args.threads is not None:
        alight.set_num_threads(args.threads)
    try:
        folder, training = _resumed(args) if args.resume else _started(args)
    except (DataNotFoundError, FileExistsError, FileNotFoundError, ValueError) as error:
        print(f"alight train: {error}", file=sys.stderr)
        return 1
    try:
        return _run(folder, training)
    except KeyboardInterrupt:  # a second Ctrl-C: the batch is not waited for
        if folder.checkpoint_file.exists():
            _say_how_to_resume(folder, "stopped at once, with the checkpoint of before")
        return INTERRUPTED


def predict(args: argparse.Namespace) -> int:
    """Classify image files with the model of a finished run: a line for each, its likeliest
    classes first.

    >>> from alight.train import predict
    >>> predict.__name__  # alight predict runs/1 shoe.png
    'predict'
    """
    from alight.train import prediction

    try:
        for line in prediction.lines(args.run, args.images):
            print(line)
    except (OSError, ImportError, ValueError) as error:
        print(f"alight predict: {error}", file=sys.stderr)
        return 1
    return 0


def _wishes(args: argparse.Namespace) -> dict[str, Any]:
    """What the user said about the recipe."""
    names = ("epochs", "batch_size", "lr", "optimizer", "seed")
    return {name: getattr(args, name) for name in names}


def _started(args: argparse.Namespace) -> tuple[RunFolder, Training]:
    import alight
    from alight.train import images, recipe, run_folder
    from alight.train.loop import Training
    from alight.train.run_folder import RunFolder

    if args.out is not None:
        run_folder.check_is_free(args.out)
    data = images.load()
    model = args.model or "convnet"
    named = RunFolder(Path(args.out)) if args.out else None
    folder = named or run_folder.next_free(f"{data.title.lower()}-{model}")
    chosen = recipe.choose(model, _wishes(args), data.recipe, args.recipe == "long")
    folder.write_config(
        {
            "job": args.job,
            "data": data.title,
            "classes": data.classes,
            "side": images.SIDE,
            "recipe": dataclasses.asdict(chosen),
            "alight": alight.__version__,
            "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
    )
    return folder, Training(chosen, data)


def _resumed(args: argparse.Namespace) -> tuple[RunFolder, Training]:
    from alight.train import images, run_folder
    from alight.train.loop import Training
    from alight.train.recipe import Recipe

    if (
        args.model
        or args.out
        or args.recipe
        or any(value is not None for value in _wishes(args).values())
    ):
        raise ValueError(
            "a resumed run keeps its own settings; only --threads may be given with --resume"
        )
    latest = args.resume == LATEST
    folder = run_folder.latest() if latest else run_folder.RunFolder(Path(args.resume))
    config, state = folder.read_config(), folder.read_checkpoint()
    data = images.load_digits() if config["data"] == "digits" else images.load()
    if data.title != config["data"]:
        raise ValueError(
            f"{folder.path} was trained on {config['data']}, which is not to be had now"
        )
    training = Training(Recipe(**config["recipe"]), data)
    training.restore(state)
    return folder, training


def _run(folder: RunFolder, training: Training) -> int:
    from alight import config
    from alight.train import loop
    from alight.train.progress import stop_on_interrupt

    # Compiled from the first step on: the interpreter rounds elsewhere, so a run that was resumed, and whose first
    # steps were interpreted once more, would give other numbers.
    config.hot = 0
    print(_summary(folder, training), flush=True)
    evaluation = None
    began = drawn = time.monotonic()
    with stop_on_interrupt() as stop:  # after the last epoch too: the pictures are finished
        while training.epoch < training.recipe.epochs:
            evaluation = _epoch(training, stop)
            folder.write_checkpoint(training.state())
            if evaluation is not None:
                folder.write_metrics(training.rows)
            if stop() or time.monotonic() - drawn > CURVES_EVERY:
                _draw_curves(folder, training)
                drawn = time.monotonic()
            if stop() and training.epoch < training.recipe.epochs:
                at = f"epoch {training.epoch + 1} of {training.recipe.epochs}, after {training.batch} batches"
                _say_how_to_resume(folder, f"stopped in {at}")
                return INTERRUPTED
        if evaluation is None:
            recipe = training.recipe
            test = training.images.test
            evaluation = loop.evaluate(training.model, test, training.criterion, recipe.mirror)
        _finish(folder, training, evaluation)
    print(f"{time.monotonic() - began:.1f} s from the first step to the last picture")
    return 0


def _epoch(training: Training, stop: Any) -> Evaluation | None:
    """One epoch with its bar; None where it was broken off."""
    from alight.train.progress import Bar

    title = f"epoch {training.epoch + 1}/{training.recipe.epochs}"
    bar = Bar(len(training.images.train), title, training.totals.images)
    try:
        if not training.run_epoch(bar.update, stop):
            return None
        evaluation = training.finish_epoch()
        row = training.rows[-1]
        result = (
            f"loss {row['train_loss']:.4f}, accuracy {row['train_accuracy']:.2%}, "
            f"test accuracy {row['test_accuracy']:.2%}"
        )
        bar.note(result)
    finally:
        bar.close()
    if not bar.is_shown:
        print(f"{title}: {result}, {row['images_per_second']} images/s", flush=True)
    return evaluation


def _summary(folder: RunFolder, training: Training) -> str:
    recipe, images = training.recipe, training.images
    count = sum(parameter.numel() for parameter in training.model.parameters())
    from_where = "training"
    if training.epoch or training.batch:
        complete = training.epoch == recipe.epochs
        at = f"going on in epoch {training.epoch + 1}, after {training.batch} batches"
        from_where = "already complete" if complete else at
    return (
        f"{from_where}: {recipe.model} ({count} parameters) on {images.title} "
        f"({len(images.train)} training and {len(images.test)} test images), "
        f"{recipe.optimizer}, rate {recipe.lr}, batches of {recipe.batch_size}; results go to {folder.path}"
    )


def _say_how_to_resume(folder: RunFolder, what_happened: str) -> None:
    print(f"\n{what_happened}; go on with")
    print(f"  alight train fashion-mnist --resume {folder.path}")


def _draw_curves(folder: RunFolder, training: Training) -> None:
    from alight.train import pictures

    if training.rows:
        title = f"{training.recipe.model} on {training.images.title}"
        with contextlib.suppress(ImportError):  # _finish says once what is missing
            folder.write("curves.png", pictures.curves(training.rows, title))


def _finish(folder: RunFolder, training: Training, evaluation: Evaluation) -> None:
    """The files that only a complete run has."""
    from alight.train import pictures

    folder.write_model(training.model)
    _draw_curves(folder, training)
    images = training.images
    pixels, labels = images.test.data.numpy(), images.test.targets.numpy()
    told = (labels, evaluation.predicted)
    try:
        picture = pictures.predictions(pixels, *told, evaluation.confidence, images.classes)
        folder.write("predictions.png", picture)
        folder.write("confusion.png", pictures.confusion(*told, images.classes))
    except ImportError:
        print("no pictures: they need Matplotlib (pip install matplotlib)")
    views = " (each image judged by itself and its mirror image)" if training.recipe.mirror else ""
    print(f"test accuracy {evaluation.accuracy:.2%}{views}; see {folder.path}")
