"""The notes' helper module: where its figures go, where its files come from, how it is imported."""

import hashlib
import io
import subprocess
import sys
import urllib.error

import numpy as np
import pytest
from PIL import Image

import alight
from alight import lessons
from alight.lessons import classification, downloads
from alight.vision import archives, datasets
from alight.vision.archives import DataNotFoundError


def run(script, folder, **environment):
    (folder / "script.py").write_text(script)
    command = [sys.executable, "-m", "alight", "run", "script.py"]
    settings = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run(
        command, cwd=folder, env=settings, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


FIGURES = """
import torch
from d2l import torch as d2l

x = torch.arange(0, 3, 0.5)
d2l.plot(x, [x, x ** 2], "x", "y", legend=["a", "b"])
d2l.plt.show()
print("shown")
d2l.plot([1, 2], [3, 4])
d2l.plot([x.tolist(), [0, 1]], [x.tolist(), [1, 0]], xlim=[0, 2], yscale="log")
d2l.show_images(torch.rand(4, 5, 5), 2, 2, titles=list("abcd"))
d2l.show_heatmaps(torch.rand(1, 2, 3, 3), "keys", "queries")
d2l.set_figsize((2, 2))
d2l.plt.scatter(x.numpy(), x.numpy())
d2l.annotate("here", (1, 1), (2, 2))
animator = d2l.Animator("epoch", legend=["loss", "accuracy"], xlim=[1, 3])
for epoch in range(1, 4):
    animator.add(epoch, (1 / epoch, None))
d2l.plt.savefig("own.png")
print(len(animator.axes[0].lines), "end")
"""


def test_without_a_display_figures_become_files(tmp_path):
    lines = run(FIGURES, tmp_path)
    names = [f"figure: figures/script-{number}.png" for number in range(1, 8)]
    assert lines == [names[0], "shown", *names[1:6], "2 end", names[6]]
    for number in range(1, 8):
        with Image.open(tmp_path / "figures" / f"script-{number}.png") as picture:
            assert min(picture.size) > 100 and len(np.unique(np.asarray(picture))) > 2


def test_training_goes_on_without_matplotlib(tmp_path):
    script = """
import sys
sys.modules["matplotlib"] = sys.modules["matplotlib.pyplot"] = None
from d2l import torch as d2l
animator = d2l.Animator(xlabel="epoch")
animator.add(1, 2.5)
print(animator.X, animator.Y)
try:
    d2l.plot([1, 2])
except ImportError as error:
    print(str(error).splitlines()[-1])
"""
    lines = run(script, tmp_path)
    assert "figures need Matplotlib" in lines[0]
    assert lines[1:] == ["[[1]] [[2.5]]", "  try pip install matplotlib"]


def test_names_of_the_module(tmp_path):
    script = """
import d2l.torch
import d2l as package
from d2l import torch as d2l
import torch
assert d2l is package.torch and d2l.torch is torch and d2l.nn is torch.nn and d2l.d2l is d2l
print(d2l.np.__name__, d2l.F.__name__, d2l.ones(2), d2l.float32)
try:
    from d2l import mxnet
except ImportError as error:
    print("no mxnet")
"""
    assert run(script, tmp_path) == [
        "numpy alight.nn.functional tensor([1., 1.]) torch.float32", "no mxnet",
    ]  # fmt: skip


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    def fail(*arguments, **options):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", fail)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(downloads, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path


def test_a_copy_on_this_machine_is_used(no_network, monkeypatch, capsys):
    content = b"The Time Machine\n\n[1898]\n"
    digest = hashlib.sha1(content).hexdigest()
    entry = {"time_machine": ("http://example.org/timemachine.txt", digest)}
    monkeypatch.setattr(downloads, "DATA_HUB", entry)
    folder = no_network / "cache"
    (folder / "text").mkdir(parents=True)
    (folder / "timemachine.txt").write_bytes(b"another text")
    with pytest.raises(DataNotFoundError, match=r"put it into .*cache/d2l .*no network"):
        lessons.download("time_machine")
    (folder / "text" / "timemachine.txt").write_bytes(content)
    assert lessons.download("time_machine") == str(folder / "text" / "timemachine.txt")
    assert lessons.read_time_machine() == ["the time machine", "", ""]
    with pytest.raises(AssertionError, match="nothing does not exist in DATA_HUB"):
        lessons.download("nothing")


def test_a_download_is_checked_and_kept(monkeypatch, tmp_path, capsys):
    content = b"1,2\n"
    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: io.BytesIO(content))
    monkeypatch.setattr(downloads, "cache_folder", lambda: tmp_path)
    table = {
        "good": ("http://example.org/good.csv", hashlib.sha1(content).hexdigest()),
        "bad": ("http://example.org/bad.csv", "0" * 40),
    }
    monkeypatch.setattr(downloads, "DATA_HUB", table)
    path = lessons.download("good")
    assert path == str(tmp_path / "d2l" / "good.csv")
    assert (tmp_path / "d2l" / "good.csv").read_bytes() == content
    with pytest.raises(DataNotFoundError, match="its SHA-1 differs"):
        lessons.download("bad")
    assert not (tmp_path / "d2l" / "bad.csv").exists()


def test_fashion_mnist_by_batches(monkeypatch, tmp_path):
    """On made-up images in place of the real ones, through workers, scaled."""
    pixels = np.random.RandomState(0).randint(0, 256, (20, 28, 28)).astype(np.uint8)
    split = pixels, (np.arange(20) % 10).astype(np.uint8)
    monkeypatch.setattr(datasets.mnist, "read_split", lambda *arguments: split)
    monkeypatch.setattr(classification, "cache_folder", lambda: tmp_path)
    assert archives.FASHION_MNIST.title == "Fashion-MNIST"
    train, test = lessons.load_data_fashion_mnist(8, resize=32)
    alight.manual_seed(0)
    X, _ = next(iter(train))
    assert X.shape == (8, 1, 32, 32) and X.dtype is alight.float32 and float(X.max()) <= 1
    assert [len(labels) for _, labels in test] == [8, 8, 4]
    names = lessons.get_fashion_mnist_labels(next(iter(test))[1])
    assert names[:3] == ["t-shirt", "trouser", "pullover"]
