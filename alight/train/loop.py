"""Training and evaluation, stoppable after any batch and resumable to the same numbers.

In: a recipe and images. Out: a row of numbers for each epoch, and predictions for the test images.
The invariant: all that the next batch depends on is in `state()`. The order and the flips of an epoch that was
broken off are drawn again from the random state in which it began.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import alight
from alight import nn
from alight.data import DataLoader
from alight.train.images import SIDE, Images
from alight.train.models import MODELS
from alight.train.recipe import Recipe, make_optimizer, make_schedule
from alight.vision import transforms

REPORT_EVERY = 10  # batches: reading the loss ends a recorded segment, so not at each one
TEST_BATCH = 500


class Totals(NamedTuple):
    """Sums over the batches of an epoch so far."""

    loss: Any
    correct: Any
    images: int

    def means(self) -> tuple[float, float]:
        """Mean loss and accuracy."""
        count = max(self.images, 1)
        return float(self.loss) / count, float(self.correct) / count


class Evaluation(NamedTuple):
    """What a model says of the test images."""

    loss: float
    accuracy: float
    predicted: np.ndarray[Any, Any]
    confidence: np.ndarray[Any, Any]


Report = Callable[[int, float, float], None]  # images done, mean loss, accuracy


class Training:
    """A model in training, with all that its next step depends on."""

    def __init__(self, recipe: Recipe, images: Images) -> None:
        alight.manual_seed(recipe.seed)
        self.recipe = recipe
        self.images = images
        self.model = MODELS[recipe.model](SIDE, len(images.classes))
        self.criterion = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        self.optimizer = make_optimizer(recipe, self.model)
        flips = [transforms.RandomHorizontalFlip()] if recipe.mirror else []
        images.train.transform = transforms.Compose([*flips, transforms.ToTensor()])
        images.test.transform = transforms.ToTensor()
        self.loader = DataLoader(images.train, recipe.batch_size, shuffle=True)
        self.schedule = make_schedule(recipe, self.optimizer, len(self.loader))
        self.rows: list[dict[str, Any]] = []
        self._begin_epoch()

    @property
    def epoch(self) -> int:
        """Epochs that are complete."""
        return len(self.rows)

    def _begin_epoch(self) -> None:
        self.batch = 0
        self.totals = Totals(alight.zeros(()), alight.zeros((), dtype=alight.int64), 0)
        self.seconds = 0.0
        self._random_at_start = alight.get_rng_state()

    def _batches(self) -> Iterator[tuple[Any, Any]]:
        """The batches of this epoch that are still to come."""
        if not self.batch:
            return iter(self.loader)
        random_now = alight.get_rng_state()
        alight.set_rng_state(self._random_at_start)
        batches = iter(self.loader)
        for _ in itertools.islice(batches, self.batch):
            pass
        alight.set_rng_state(random_now)
        return batches

    def run_epoch(self, report: Report, stop: Callable[[], bool]) -> bool:
        """Train to the end of the epoch; False where `stop` ended it before."""
        self.model.train()
        started = time.perf_counter() - self.seconds
        for images, labels in self._batches():
            self._step(images, labels)
            ended = self.batch == len(self.loader)
            if ended or self.batch % REPORT_EVERY == 0:
                report(self.totals.images, *self.totals.means())
            self.seconds = time.perf_counter() - started
            if stop() and not ended:
                return False
        return True

    def _step(self, images: Any, labels: Any) -> None:
        scores = self.model(images)
        loss = self.criterion(scores, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()
        count = len(labels)
        with alight.no_grad():
            loss_sum = self.totals.loss + loss.detach() * count
            correct = self.totals.correct + (scores.argmax(dim=1) == labels).sum()
        self.totals = Totals(loss_sum, correct, self.totals.images + count)
        self.batch += 1

    def finish_epoch(self) -> Evaluation:
        """Evaluate, and add the epoch's row of numbers."""
        evaluation = evaluate(self.model, self.images.test, self.criterion, self.recipe.mirror)
        loss, accuracy = self.totals.means()
        self.rows.append(
            {
                "epoch": self.epoch + 1,
                "train_loss": round(loss, 6),
                "train_accuracy": round(accuracy, 6),
                "test_loss": round(evaluation.loss, 6),
                "test_accuracy": round(evaluation.accuracy, 6),
                "learning_rate": self.optimizer.param_groups[0]["lr"],
                "seconds": round(self.seconds, 2),
                "images_per_second": round(self.totals.images / max(self.seconds, 1e-9)),
            }
        )
        self._begin_epoch()
        return evaluation

    def state(self) -> dict[str, Any]:
        """Everything that the next batch depends on."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "epoch": self.epoch,
            "batch": self.batch,
            "random": alight.get_rng_state(),
            "random_at_start_of_epoch": self._random_at_start,
            "totals": dict(self.totals._asdict()),
            "seconds": self.seconds,
            "rows": self.rows,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        self.rows = state["rows"]
        self.batch = state["batch"]
        self.totals = Totals(**state["totals"])
        self.seconds = state["seconds"]
        self._random_at_start = state["random_at_start_of_epoch"]
        alight.set_rng_state(state["random"])


def evaluate(model: nn.Module, dataset: Any, criterion: nn.Module, mirror: bool) -> Evaluation:
    """Loss, accuracy and predictions on `dataset`; with `mirror` each image is judged by both its views."""
    model.eval()
    predicted, confidence, loss, correct, count = [], [], 0.0, 0, 0
    with alight.no_grad():
        for images, labels in DataLoader(dataset, TEST_BATCH):
            scores = model(images)
            mean_loss, chance = criterion(scores, labels), scores.softmax(dim=1)
            if mirror:
                chance = (chance + model(images.flip(3)).softmax(dim=1)) / 2
            best = chance.numpy().argmax(
                axis=1
            )  # the first value that is read: all of it is one program
            loss += float(mean_loss) * len(labels)
            predicted.append(best)
            confidence.append(chance.numpy().max(axis=1))
            correct += int((best == labels.numpy()).sum())
            count += len(labels)
    return Evaluation(
        loss / count, correct / count, np.concatenate(predicted), np.concatenate(confidence)
    )
