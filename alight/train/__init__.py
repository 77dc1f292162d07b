"""The main job: `alight train fashion-mnist` and `alight predict RUN IMAGE...`.

In: parsed arguments. Out: a run folder with the trained model, its numbers and pictures; or predictions.
"""

from alight.train.command import add_arguments, add_predict_arguments, predict, train

__all__ = ["add_arguments", "add_predict_arguments", "predict", "train"]
