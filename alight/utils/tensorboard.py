"""torch.utils.tensorboard: SummaryWriter, on the tensorboard package, which writes the event files."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Sequence
from typing import Any, NoReturn

from alight.dtypes import float64
from alight.errors import fail, not_implemented, warn
from alight.tensor import Tensor

_NEAREST = {  # what is not there, and what to use
    "add_video": "add_images, one grid a step",
    "add_embedding": "add_image of a picture of the points",
    "add_image_with_boxes": "add_image(tag, torchvision.utils.draw_bounding_boxes(image, boxes))",
    "add_mesh": "add_figure",
    "add_onnx_graph": "add_graph",
    "add_pr_curve": "add_figure",
    "add_pr_curve_raw": "add_figure",
    "add_custom_scalars": "add_scalars",
    "add_custom_scalars_multilinechart": "add_scalars",
    "add_custom_scalars_marginchart": "add_scalars",
}


def _tensor(values: Any) -> Tensor:
    from alight.ops.creation import as_tensor

    return as_tensor(values).detach().cpu()


def _number(value: Any) -> float:
    if isinstance(value, Tensor) and value.numel() != 1:
        fail(
            AssertionError,
            "scalar should be 0D",
            facts=[f"a number was wanted, this has shape {list(value.shape)}"],
            try_="value.mean(), or add_histogram",
        )
    return float(value)


def _messages() -> Any:
    """What events hold, as the tensorboard package defines it: Summary, HistogramProto, SummaryMetadata."""
    try:
        from tensorboard.compat.proto import summary_pb2
    except ImportError as error:
        raise ModuleNotFoundError(
            "No module named 'tensorboard'\n"
            "  torch.utils.tensorboard writes its files with the tensorboard package\n"
            "  try pip install tensorboard",
            name="tensorboard",
        ) from error
    return summary_pb2


def _metadata(plugin: str, content: bytes = b"") -> Any:
    messages = _messages()
    data = messages.SummaryMetadata.PluginData(plugin_name=plugin, content=content)
    return messages.SummaryMetadata(plugin_data=data)


def _bin_edges() -> list[float]:
    """The limits that TensorFlow uses: from 1e-12 to 1e20 by tenths, and the same below zero."""
    limit, above = 1e-12, []
    while limit < 1e20:
        above.append(limit)
        limit *= 1.1
    return [-one for one in reversed(above)] + [0.0, *above]


def _filled(counts: list[int], limits: list[float]) -> tuple[list[int], list[float]]:
    """Counts of bins and their upper limits, from an empty bin before the first filled one to the last filled."""
    filled = [i for i, count in enumerate(counts) if count] or [0]
    first, last = filled[0], filled[-1]
    before = [counts[first - 1]] if first else [0]
    return before + counts[first : last + 1], limits[first : last + 2]


class SummaryWriter:
    """Writes numbers, pictures and texts of a run into a folder that TensorBoard shows.

    The folder is log_dir, else runs/ with the time. Every method takes `tag`, the name of what is
    written, `global_step` and `walltime`, the time in seconds, now if it is left out. The file is
    written when `max_queue` events wait, after `flush_secs` seconds, and by flush and close.
    ModuleNotFoundError where the tensorboard package is not installed.

    >>> import os, tempfile
    >>> from alight.utils.tensorboard import SummaryWriter
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with SummaryWriter(folder) as writer:
    ...         writer.add_scalar("loss", 0.5, global_step=1)
    ...     len(os.listdir(folder))
    1
    """

    def __init__(
        self,
        log_dir: str | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        if log_dir is None:
            import socket

            stamp = time.strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{stamp}_{socket.gethostname()}{comment}")
        self.log_dir, self.purge_step = str(log_dir), purge_step
        self.max_queue, self.flush_secs, self.filename_suffix = (
            max_queue,
            flush_secs,
            filename_suffix,
        )
        self._files: dict[str, Any] = {}
        self._file()
        if purge_step is not None:  # hides what an earlier session wrote from this step on
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog

            begins = SessionLog(status=SessionLog.SessionStatus.START)
            event = Event(wall_time=time.time(), step=purge_step, session_log=begins)
            self._file().add_event(event)

    def _file(self, *folders: str) -> Any:
        """The file of a run: of this writer's folder, or of one in it."""
        _messages()  # says what is missing
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        folder = os.path.join(self.log_dir, *folders)
        if folder not in self._files:
            self._files[folder] = EventFileWriter(
                folder, self.max_queue, self.flush_secs, self.filename_suffix
            )
        return self._files[folder]

    def get_logdir(self) -> str:
        """The folder.

        >>> import tempfile
        >>> from alight.utils.tensorboard import SummaryWriter
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     SummaryWriter(folder).get_logdir() == folder
        True
        """
        return self.log_dir

    def _add(
        self,
        tag: str,
        content: dict[str, Any],
        step: int | None,
        walltime: float | None,
        file: Any = None,
    ) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        summary = _messages().Summary
        made = summary(value=[summary.Value(tag=tag, **content)])
        event = Event(wall_time=time.time() if walltime is None else walltime, summary=made)
        if step is not None:
            event.step = int(step)
        (file or self._file()).add_event(event)

    def add_scalar(
        self, tag: str, scalar_value: Any, global_step: int | None = None, walltime: float | None = None,
        new_style: bool = False, double_precision: bool = False,
    ) -> None:  # fmt: skip
        """One number of a curve: a number, or a tensor of one element.

        AssertionError for a tensor of more. With new_style it is written as a tensor, in float64
        with double_precision.

        >>> import tempfile
        >>> from alight.utils.tensorboard import SummaryWriter
        >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        ...     for step in range(3):
        ...         writer.add_scalar("loss/train", 1 / (step + 1), step)
        """
        self._add(tag, _scalar(scalar_value, new_style, double_precision), global_step, walltime)

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: dict[str, Any], global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """One number of each of several curves in one picture; each curve is a run, in a folder of its own.

        >>> import os, tempfile
        >>> from alight.utils.tensorboard import SummaryWriter
        >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        ...     writer.add_scalars("loss", {"train": 0.2, "test": 0.3}, 1)
        ...     sorted(name for name in os.listdir(folder) if name.startswith("loss"))
        ['loss_test', 'loss_train']
        """
        for tag, value in tag_scalar_dict.items():
            file = self._file(main_tag.replace("/", "_") + "_" + tag)
            self._add(main_tag, _scalar(value), global_step, walltime, file)

    def add_histogram(
        self, tag: str, values: Any, global_step: int | None = None, bins: Any = "tensorflow",
        walltime: float | None = None, max_bins: int | None = None,
    ) -> None:  # fmt: skip
        """How values, of any shape, are spread.

        `bins` are 'tensorflow', whose bins grow by tenths away from zero, a number of equal bins, or
        their limits. ValueError without values.

        >>> import tempfile
        >>> import alight as torch
        >>> from alight.utils.tensorboard import SummaryWriter
        >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        ...     writer.add_histogram("weights", torch.randn(4, 5))
        """
        flat = _tensor(values).reshape(-1).double()
        if flat.numel() == 0:
            fail(ValueError, "The input has no element.", try_="values with at least one element")
        low, high = float(flat.min()), float(flat.max())
        counts, limits = _histogram(flat, low, high, bins)
        self.add_histogram_raw(
            tag, low, high, flat.numel(), float(flat.sum()), float(flat.square().sum()),
            limits, counts, global_step, walltime,
        )  # fmt: skip

    def add_histogram_raw(
        self, tag: str, min: float, max: float, num: int, sum: float, sum_squares: float,
        bucket_limits: Sequence[float], bucket_counts: Sequence[float], global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """A histogram that is known already: how many values, up to which limits.

        ValueError where there are not as many limits as counts.

        >>> import tempfile
        >>> from alight.utils.tensorboard import SummaryWriter
        >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        ...     writer.add_histogram_raw("ages", 0, 4, 3, 6, 14, [2.0, 4.0], [1, 2])
        """
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError("len(bucket_limits) != len(bucket_counts), see the document.")
        histogram = _messages().HistogramProto(
            min=min, max=max, num=num, sum=sum, sum_squares=sum_squares,
            bucket_limit=bucket_limits, bucket=bucket_counts,
        )  # fmt: skip
        self._add(tag, {"histo": histogram}, global_step, walltime)

    def add_image(
        self, tag: str, img_tensor: Any, global_step: int | None = None, walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:  # fmt: skip
        """A picture of one, three or four channels: floating-point numbers in [0, 1], or bytes.

        `dataformats` says which dimension is which: (C, H, W), 'HWC' or 'HW'.

        >>> import tempfile
        >>> import alight as torch
        >>> from alight.utils.tensorboard import SummaryWriter
        >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        ...     writer.add_image("noise", torch.rand(3, 8, 8))
        """
        order = dataformats.upper()
        image = _tensor(img_tensor)
        if len(order) != image.dim() or sorted(order) not in (["C", "H", "W"], ["H", "W"]):
            fail(
                AssertionError,
                f"size of input tensor and input format are different. tensor shape: {tuple(image.shape)}, "
                f"input_format: {dataformats}",
            )
        if "C" not in order:
            image, order = image.unsqueeze(0), "C" + order
        image = image.permute(*(order.index(letter) for letter in "CHW"))
        self._add(tag, _image(image), global_step, walltime)

    def add_images(
        self, tag: str, img_tensor: Any, global_step: int | None = None, walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:  # fmt: skip
        """Several pictures as one grid: (N, C, H, W), or another order that `dataformats` names.

        >>> import tempfile
        >>> import alight as torch
        >>> from alight.utils.tensorboard import SummaryWriter
        >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        ...     writer.add_images("batch", torch.rand(4, 1, 8, 8))
        """
        from alight.vision.utils import make_grid

        images, order = _tensor(img_tensor), dataformats.upper()
        if "C" not in order:
            images, order = images.unsqueeze(-1), order + "C"
        images = images.permute(*(order.index(letter) for letter in "NCHW"))
        self._add(tag, _image(make_grid(images, padding=0)), global_step, walltime)

    def add_figure(
        self, tag: str, figure: Any, global_step: int | None = None, close: bool = True,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """A matplotlib figure as a picture; it is closed afterwards.

        >>> import tempfile
        >>> from alight.utils.tensorboard import SummaryWriter
        >>> class Drawn:  # a matplotlib figure has these, too
        ...     canvas = type("Canvas", (), {"get_width_height": lambda self: (4, 3)})()
        ...     def savefig(self, stream, format):
        ...         stream.write(b"picture")
        >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        ...     writer.add_figure("curve", Drawn(), close=False)
        """
        stream = io.BytesIO()
        figure.savefig(stream, format="png")
        width, height = (int(one) for one in figure.canvas.get_width_height())
        self._add(tag, _png(height, width, 4, stream.getvalue()), global_step, walltime)
        if close:
            from matplotlib import pyplot

            pyplot.close(figure)

    def add_audio(
        self, tag: str, snd_tensor: Any, global_step: int | None = None, sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """A sound of one channel: numbers in [-1, 1], of shape (length,) or (1, length).

        >>> import tempfile
        >>> import alight as torch
        >>> from alight.utils.tensorboard import SummaryWriter
        >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        ...     writer.add_audio("tone", torch.sin(torch.arange(0, 100, 0.1)))
        """
        import wave

        sound = _tensor(snd_tensor).squeeze().double()
        if float(sound.abs().max()) > 1:
            warn("warning: audio amplitude out of range, auto clipped.")
        assert sound.dim() == 1, "input tensor should be 1 dimensional."
        steps = (sound.clamp(-1, 1) * 32767).short()
        stream = io.BytesIO()
        with wave.open(stream, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(sample_rate)
            file.writeframes(steps.numpy().astype("<i2").tobytes())
        audio = _messages().Summary.Audio(
            sample_rate=sample_rate, num_channels=1, length_frames=sound.numel(),
            encoded_audio_string=stream.getvalue(), content_type="audio/wav",
        )  # fmt: skip
        self._add(tag, {"audio": audio}, global_step, walltime)

    def add_text(
        self,
        tag: str,
        text_string: str,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """A text, which may be Markdown.

        >>> import tempfile
        >>> from alight.utils.tensorboard import SummaryWriter
        >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        ...     writer.add_text("notes", "**begun** with another seed")
        """
        content = _tensor_message("DT_STRING", [1], string_val=[text_string.encode()])
        content["metadata"] = _metadata("text")
        self._add(f"{tag}/text_summary", content, global_step, walltime)

    def add_hparams(
        self, hparam_dict: dict[str, Any], metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, Any] | None = None, run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:  # fmt: skip
        """Settings of a run, and its results: one row in TensorBoard's table of hyperparameters.

        They are a run of their own, in the folder `run_name`, the time if it is left out. TypeError
        unless both are dicts, ValueError for settings that are no numbers, bools, texts or tensors.

        >>> import tempfile
        >>> from alight.utils.tensorboard import SummaryWriter
        >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        ...     writer.add_hparams({"lr": 0.1, "width": 64}, {"accuracy": 0.9}, run_name="first")
        """
        if not isinstance(hparam_dict, dict) or not isinstance(metric_dict, dict):
            raise TypeError("hparam_dict and metric_dict should be dictionary.")
        file = self._file(run_name or str(time.time()))
        for tag, content in _hparams(hparam_dict, metric_dict, hparam_domain_discrete or {}):
            self._add(tag, {"metadata": _metadata("hparams", content)}, None, None, file)
        for name, value in metric_dict.items():
            self._add(name, _scalar(value), global_step, None, file)

    def add_graph(
        self,
        model: Any,
        input_to_model: Any = None,
        verbose: bool = False,
        use_strict_trace: bool = True,
    ) -> None:
        """The model's layers.

        Differs: they are written as a text; what runs, `alight.explain()` prints.

        >>> import tempfile
        >>> import alight as torch
        >>> from alight.utils.tensorboard import SummaryWriter
        >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        ...     writer.add_graph(torch.nn.Linear(2, 1))
        """
        self.add_text("graph", f"    {model!r}".replace("\n", "\n    "))

    def __getattr__(self, name: str) -> NoReturn:
        if name in _NEAREST:
            not_implemented(f"SummaryWriter.{name}", _NEAREST[name])
        raise AttributeError(f"'SummaryWriter' object has no attribute '{name}'")

    def flush(self) -> None:
        """Write what is waiting to the files.

        >>> import tempfile
        >>> from alight.utils.tensorboard import SummaryWriter
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     SummaryWriter(folder).flush()
        """
        for file in self._files.values():
            file.flush()

    def close(self) -> None:
        """Write what is waiting and close the files; what is added afterwards begins a new one.

        >>> import tempfile
        >>> from alight.utils.tensorboard import SummaryWriter
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     SummaryWriter(folder).close()
        """
        for file in self._files.values():
            file.close()
        self._files.clear()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _tensor_message(dtype: str, shape: list[int], **elements: Any) -> dict[str, Any]:
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

    if shape:
        extents = [TensorShapeProto.Dim(size=extent) for extent in shape]
        elements["tensor_shape"] = TensorShapeProto(dim=extents)
    return {"tensor": TensorProto(dtype=dtype, **elements)}


def _scalar(value: Any, new_style: bool = False, double_precision: bool = False) -> dict[str, Any]:
    number = _number(value)
    if double_precision:
        content = _tensor_message("DT_DOUBLE", [], double_val=[number])
    elif new_style:
        content = _tensor_message("DT_FLOAT", [], float_val=[number])
    else:
        return {"simple_value": number}
    return {**content, "metadata": _metadata("scalars")}


def _histogram(flat: Tensor, low: float, high: float, bins: Any) -> tuple[list[int], list[float]]:
    """Counts and limits of the filled bins."""
    from alight.ops.creation import tensor

    if isinstance(bins, str):
        if bins != "tensorflow":
            not_implemented(f"bins={bins!r}", "bins='tensorflow', or a number of bins")
        bins = _bin_edges()
    elif isinstance(bins, int):
        if low == high:
            low, high = low - 0.5, high + 0.5
        step = (high - low) / bins
        bins = [low + i * step for i in range(bins)] + [high]
    edges = bins.detach() if isinstance(bins, Tensor) else tensor(bins, dtype=float64)
    edges = edges.double()
    inside = flat[(flat >= edges[0]) & (flat <= edges[-1])]
    count = edges.numel() - 1
    # a value on a limit begins the next bin, the last limit belongs to the last bin
    places = (_search(edges, inside) - 1).clamp(max=count - 1)
    counts = places.bincount(minlength=count).tolist() if inside.numel() else [0] * count
    return _filled(counts, edges.tolist())


def _search(edges: Tensor, values: Tensor) -> Tensor:
    from alight.ops.sorting import searchsorted

    return searchsorted(edges, values, right=True)


def _image(image: Tensor) -> dict[str, Any]:
    """A picture (C, H, W) as a PNG."""
    from alight.vision.transforms.functional import to_pil_image

    if image.shape[0] == 1:
        image = image.repeat_interleave(3, 0)
    if image.is_floating_point():
        image = (image * 255).clamp(0, 255).byte()
    stream = io.BytesIO()
    to_pil_image(image).save(stream, format="PNG")
    return _png(image.shape[1], image.shape[2], image.shape[0], stream.getvalue())


def _png(height: int, width: int, channels: int, picture: bytes) -> dict[str, Any]:
    made = _messages().Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=picture
    )
    return {"image": made}


def _value_of(value: Any) -> tuple[str, Any]:
    """A setting as a protocol-buffer value, and its dtype for TensorBoard."""
    from google.protobuf.struct_pb2 import Value

    if isinstance(value, str):
        return "DATA_TYPE_STRING", Value(string_value=value)
    if isinstance(value, (int, float, Tensor)):  # a bool, too, as PyTorch writes it
        return "DATA_TYPE_FLOAT64", Value(number_value=_number(value))
    raise ValueError("value should be one of int, float, str, bool, or torch.Tensor")


def _hparams(
    settings: dict[str, Any], metrics: dict[str, Any], domains: dict[str, Any]
) -> list[tuple[str, bytes]]:
    """The three messages of TensorBoard's plugin for settings: what there is, a run begins, it has ended."""
    from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

    known, start = api_pb2.Experiment(), plugin_data_pb2.SessionStartInfo()
    for name, value in settings.items():
        kind, content = _value_of(value)
        about = known.hparam_infos.add(name=name, type=kind)
        for one in domains.get(name, ()):
            about.domain_discrete.values.append(_value_of(one)[1])
        start.hparams[name].CopyFrom(content)
    for name in metrics:
        known.metric_infos.add(name=api_pb2.MetricName(tag=name))
    data = plugin_data_pb2.HParamsPluginData
    ended = plugin_data_pb2.SessionEndInfo(status="STATUS_SUCCESS")
    messages = {
        "experiment": data(experiment=known),
        "session_start_info": data(session_start_info=start),
        "session_end_info": data(session_end_info=ended),
    }
    return [(f"_hparams_/{name}", one.SerializeToString()) for name, one in messages.items()]


def __dir__() -> list[str]:
    return list(__all__)


__all__ = [
    "SummaryWriter",
]
