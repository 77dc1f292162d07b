"""The main job on a small made-up set: what a run leaves behind, stopping and resuming, predicting."""

import argparse
import csv
import dataclasses
import importlib.util
import io
import json
import signal

import numpy as np
import pytest
from PIL import Image

import alight
from alight import train as job
from alight.train import command as job_command
from alight.train import images as job_images
from alight.train import loop, pictures, recipe
from alight.train.run_folder import RunFolder
from alight.vision import datasets

CLASSES = [f"class {label}" for label in range(10)]


def small_images():
    """Ten blurred shapes with noise: 320 to learn from, 80 to test, 28 x 28."""
    draw = np.random.RandomState(0)
    shapes = np.kron(draw.randint(0, 2, (10, 7, 7)), np.ones((4, 4))) * 200
    labels = np.arange(400) % 10
    pixels = np.clip(shapes[labels] + draw.normal(0, 25, (400, 28, 28)), 0, 255).astype(np.uint8)
    parts = [
        datasets.ArrayImages(pixels[part], labels[part]) for part in (slice(320), slice(320, 400))
    ]
    return job_images.Images("shapes", CLASSES, *parts, {"batch_size": 32})


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(job_images, "load", small_images)
    monkeypatch.setattr(alight.config, "hot", alight.config.hot)  # the command changes it
    return tmp_path


def command(*words):
    parser = argparse.ArgumentParser()
    job.add_arguments(parser)
    return job.train(parser.parse_args(["fashion-mnist", *words]))


def predict(*words):
    parser = argparse.ArgumentParser()
    job.add_predict_arguments(parser)
    return job.predict(parser.parse_args(list(words)))


def rows_of(folder):
    with open(folder / "metrics.csv") as file:
        return [{k: v for k, v in row.items() if "second" not in k} for row in csv.DictReader(file)]


def test_a_run_leaves_its_files(in_folder, capsys):
    assert command("--model", "mlp", "--epochs", "3") == 0
    folder = in_folder / "runs" / "shapes-mlp-1"
    left = {path.name for path in folder.iterdir()}
    pictures = {"curves.png", "predictions.png", "confusion.png"}
    assert left == pictures | {"config.json", "metrics.csv", "checkpoint.pt", "model.safetensors"}
    for name in pictures:
        with Image.open(folder / name) as picture:
            assert picture.size[0] > 400
    rows = rows_of(folder)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[-1]["test_accuracy"]) > 0.9
    config = json.loads((folder / "config.json").read_text())
    assert config["recipe"]["epochs"] == 3 and config["data"] == "shapes"
    assert "test accuracy" in capsys.readouterr().out
    assert command("--model", "mlp", "--epochs", "1") == 0
    assert (in_folder / "runs" / "shapes-mlp-2").exists()


def test_a_folder_is_not_overwritten(in_folder, capsys):
    assert command("--model", "softmax", "--epochs", "1", "--out", "here") == 0
    assert command("--model", "softmax", "--epochs", "1", "--out", "here") == 1
    assert "--resume here" in capsys.readouterr().err


def test_the_seed_decides():
    def numbers(seed):
        data = small_images()
        training = loop.Training(
            recipe.choose("softmax", {"epochs": 1, "seed": seed}, data.recipe), data
        )
        assert training.run_epoch(lambda *progress: None, lambda: False)
        return training.totals.means()

    assert numbers(4) == numbers(4) != numbers(5)


@pytest.mark.parametrize("model, batches", [("mlp", 13), ("convnet", 4)])
def test_a_resumed_run_gives_the_same_numbers(in_folder, model, batches, monkeypatch, capsys):
    """Interrupted in the middle of an epoch, by a signal, and resumed from the checkpoint."""
    options = ["--model", model, "--epochs", "2"]
    assert command(*options, "--out", "whole") == 0
    done = loop.Training._step
    steps = []

    def step(self, images, labels):
        done(self, images, labels)
        steps.append(1)
        if len(steps) == batches:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(loop.Training, "_step", step)
    assert command(*options, "--out", "parts") == 130
    assert "--resume parts" in capsys.readouterr().out
    assert len(steps) == batches
    assert (in_folder / "parts" / "curves.png").exists() is (batches > 10)  # an epoch was complete
    monkeypatch.setattr(loop.Training, "_step", done)
    assert command("--resume", "parts") == 0
    assert rows_of(in_folder / "parts") == rows_of(in_folder / "whole")
    models = [(in_folder / out / "model.safetensors").read_bytes() for out in ("parts", "whole")]
    assert models[0] == models[1]


def test_a_second_interrupt_stops_at_once(in_folder, monkeypatch, capsys):
    done = loop.Training._step
    options = ["--model", "softmax", "--epochs", "2", "--out", "here"]

    def step(self, images, labels):
        done(self, images, labels)
        if self.epoch == 1:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(loop.Training, "_step", step)
    assert command(*options) == 130
    assert "--resume here" in capsys.readouterr().out
    monkeypatch.setattr(loop.Training, "_step", done)
    assert command("--resume", "here") == 0
    assert "going on in epoch 2, after 0 batches" in capsys.readouterr().out


def test_an_interrupt_lets_the_last_pictures_be_finished(in_folder, monkeypatch):
    draw = pictures.predictions

    def drawn(*what):
        signal.raise_signal(signal.SIGINT)
        return draw(*what)

    monkeypatch.setattr(pictures, "predictions", drawn)
    assert command("--model", "softmax", "--epochs", "1", "--out", "here") == 0
    assert (in_folder / "here" / "confusion.png").exists()


def test_resuming_keeps_the_settings(in_folder, capsys):
    assert command("--model", "softmax", "--epochs", "1", "--out", "here") == 0
    assert command("--resume", "here", "--lr", "3") == 1
    assert "keeps its own settings" in capsys.readouterr().err
    assert command("--resume", "here") == 0
    assert command("--resume", "nowhere") == 1
    assert "not a run folder" in capsys.readouterr().err


def test_resuming_the_latest_run(in_folder):
    assert command("--resume") == 1
    assert command("--model", "softmax", "--epochs", "1") == 0
    assert command("--resume") == 0


def test_predict(in_folder, capsys):
    assert command("--model", "mlp", "--epochs", "6", "--out", "run") == 0
    data = small_images()
    pixels, label = data.test.data.numpy()[5], int(data.test.targets[5])
    Image.fromarray(pixels).save("plain.png")
    framed = np.pad(255 - pixels, 20, constant_values=255)
    Image.fromarray(framed).resize((680, 680), Image.Resampling.BICUBIC).save("photo.jpg")
    capsys.readouterr()
    assert predict("run", "plain.png", "photo.jpg") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith(f"plain.png: {CLASSES[label]} ")
    assert predict("run", "absent.png") == 1
    assert "absent.png" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["convnet", "lenet", "mlp", "softmax"])
def test_every_recipe_learns_a_step(model):
    """From the recipe's optimizer and schedule one batch becomes more likely."""
    data = small_images()
    chosen = recipe.choose(model, {"epochs": 2, "lr": 0.01}, data.recipe)
    training = loop.Training(chosen, data)
    pixels = alight.from_numpy(data.train.data.numpy()[:64, None].astype(np.float32) / 255)
    labels = data.train.targets[:64]
    before = training.criterion(training.model(pixels), labels).item()
    for _ in range(6):
        training._step(pixels, labels)
    assert training.criterion(training.model(pixels), labels).item() < before


def test_digits():
    if importlib.util.find_spec("sklearn") is None:
        pytest.skip("scikit-learn is not installed")
    data = job_images.load_digits()
    assert data.train.data.shape == (1437, 28, 28) and data.test.data.shape == (360, 28, 28)
    assert int(data.train.data.max()) == 255
    assert sorted(set(data.test.targets.tolist())) == list(range(10))


def test_a_damaged_folder_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="not a run folder"):
        RunFolder(tmp_path).read_config()


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("seen", [True, False])
def test_a_bar_or_a_line_for_each_epoch(in_folder, monkeypatch, capsys, seen):
    screen = Terminal() if seen else io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "140")
    assert command("--model", "softmax", "--epochs", "2") == 0
    said = capsys.readouterr().out
    assert ("images/s" in said) is not seen
    assert ("epoch 2/2: 100%" in screen.getvalue()) is seen
    assert ("test accuracy" in screen.getvalue()) is seen


def test_the_curves_of_a_long_run_are_drawn_on_the_way(in_folder, monkeypatch):
    """Of a short one only at the end: a picture takes longer than its epochs."""
    drawn = []
    real = pictures.curves

    def curves(rows, title):
        drawn.append(len(rows))
        return real(rows, title)

    monkeypatch.setattr(pictures, "curves", curves)
    for every, expected in ((1e9, [3]), (-1.0, [1, 2, 3, 3])):
        monkeypatch.setattr(job_command, "CURVES_EVERY", every)
        assert command("--model", "softmax", "--epochs", "3", "--out", str(every)) == 0
        assert drawn == expected
        drawn.clear()


def test_only_mistakes_are_framed_in_red():
    """Of two images one was taken for something else; a set without mistakes has no such frame."""
    images, labels = np.zeros((2, 28, 28), np.uint8), np.array([0, 1])
    for predicted, framed in (([0, 1], False), ([0, 2], True)):
        told = (labels, np.array(predicted), np.array([0.9, 0.8]))
        with Image.open(io.BytesIO(pictures.predictions(images, *told, CLASSES))) as picture:
            red, green, blue = np.asarray(picture.convert("RGB")).astype(int).transpose(2, 0, 1)
        assert ((red > 150) & (green < 100) & (blue < 100)).any() == framed


def test_the_long_recipe_is_the_short_one_for_longer(in_folder, capsys):
    short, long = recipe.choose("convnet", {}, {}), recipe.choose("convnet", {}, {}, long=True)
    assert long == dataclasses.replace(short, epochs=long.epochs) and long.epochs > short.epochs
    assert recipe.choose("convnet", {"epochs": 2}, {}, long=True).epochs == 2
    assert command("--model", "mlp", "--recipe", "long") == 1
    assert "no long recipe for mlp" in capsys.readouterr().err
