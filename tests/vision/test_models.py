"""Models have torchvision's parameters: names, shapes, initialisation; and give its scores."""

import json
from pathlib import Path

import pytest

import alight
from alight.vision import archives, models
from tests.vision import cases

KEPT = json.loads(Path(__file__).with_name("torchvision_models.json").read_text())
QUICK = ("resnet18", "squeezenet1_1", "mobilenet_v2")


@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in cases.MODELS],
)
def test_as_torchvision(name, monkeypatch):
    monkeypatch.setattr(cases, "MODELS", {name: cases.MODELS[name]})
    ours, theirs = cases.model_results(models, alight)[name], KEPT[name]
    assert [row[:2] for row in ours["state"]] == [row[:2] for row in theirs["state"]]
    for found, kept in zip(ours["state"], theirs["state"], strict=True):
        assert found[2] == pytest.approx(kept[2], rel=1e-5, abs=1e-8), found[0]
    assert ours["scores"] == pytest.approx(theirs["scores"], rel=1e-3, abs=1e-4)


def test_trained_weights_come_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr("alight.vision.models.weights.cache_folder", lambda: tmp_path)
    weights = models.SqueezeNet1_1_Weights.IMAGENET1K_V1
    assert models.SqueezeNet1_1_Weights.DEFAULT is weights
    assert weights.url == "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth"
    trained = models.squeezenet1_1()
    (tmp_path / "checkpoints").mkdir()
    alight.save(trained.state_dict(), tmp_path / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    for asked in (weights, "IMAGENET1K_V1", "DEFAULT", "SqueezeNet1_1_Weights.IMAGENET1K_V1"):
        loaded = models.squeezenet1_1(weights=asked)
        assert (loaded.features[0].weight == trained.features[0].weight).all()
    for loaded in (models.squeezenet1_1(pretrained=True), models.squeezenet1_1(True)):
        assert (loaded.features[0].weight == trained.features[0].weight).all()
    loaded = models.squeezenet1_1(False)
    assert not (loaded.features[0].weight == trained.features[0].weight).all()
    with pytest.raises(TypeError, match="Expected Weight class"):
        models.squeezenet1_1(weights=models.AlexNet_Weights.DEFAULT)
