"""torch.utils.tensorboard: SummaryWriter, on the tensorboard package where it is installed."""

from __future__ import annotations

import io
import os
import time
from typing import Any

from alight.tensor import Tensor


def _package() -> Any:
    """The writer of event files and the messages in them."""
    try:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise ModuleNotFoundError(
            "No module named 'tensorboard'\n"
            "  torch.utils.tensorboard writes its files with the tensorboard package\n"
            "  try pip install tensorboard",
            name="tensorboard",
        ) from error
    return event_pb2, summary_pb2, EventFileWriter


def _array(values: Any) -> Any:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else values


class SummaryWriter:
    """Writes numbers, pictures and texts of a run into a folder that TensorBoard shows.

    The folder is log_dir, else runs/ with the time. ModuleNotFoundError where the package
    tensorboard is not installed.

    >>> import alight as torch
    >>> hasattr(torch.utils.tensorboard.SummaryWriter, "add_scalar")
    True
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
        self._events, self._summaries, writer = _package()
        if log_dir is None:
            import socket

            stamp = time.strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{stamp}_{socket.gethostname()}{comment}")
        self.log_dir = str(log_dir)
        self._writer = writer(self.log_dir, max_queue, flush_secs, filename_suffix)

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    def _add(self, value: Any, step: int | None, walltime: float | None) -> None:
        event = self._events.Event(
            wall_time=walltime or time.time(), summary=self._summaries.Summary(value=[value])
        )
        if step is not None:
            event.step = int(step)
        self._writer.add_event(event)

    def add_scalar(
        self, tag: str, scalar_value: Any, global_step: int | None = None, walltime: float | None = None,
        new_style: bool = False, double_precision: bool = False,
    ) -> None:  # fmt: skip
        """One number of a curve."""
        value = self._summaries.Summary.Value(tag=tag, simple_value=float(scalar_value))
        self._add(value, global_step, walltime)

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: dict[str, Any], global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """One number of each of several curves."""
        for tag, value in tag_scalar_dict.items():
            self.add_scalar(f"{main_tag}/{tag}", value, global_step, walltime)

    def add_histogram(
        self, tag: str, values: Any, global_step: int | None = None, bins: Any = "tensorflow",
        walltime: float | None = None, max_bins: int | None = None,
    ) -> None:  # fmt: skip
        """How values are spread."""
        from alight.ops.creation import as_tensor

        flat = as_tensor(values).detach().reshape(-1).double()
        low, high = float(flat.min()), float(flat.max())
        count = 30
        step = (high - low) / count or 1.0
        places = ((flat - low) / step).long().clamp(0, count - 1)
        counts = places.bincount(minlength=count).tolist()
        histogram = self._summaries.HistogramProto(
            min=low,
            max=high,
            num=flat.numel(),
            sum=float(flat.sum()),
            sum_squares=float((flat * flat).sum()),
            bucket_limit=[low + step * (i + 1) for i in range(count)],
            bucket=counts,
        )
        self._add(self._summaries.Summary.Value(tag=tag, histo=histogram), global_step, walltime)

    def add_image(
        self, tag: str, img_tensor: Any, global_step: int | None = None, walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:  # fmt: skip
        """A picture: floating-point numbers in [0, 1], or bytes."""
        from alight.ops.creation import as_tensor
        from alight.vision.transforms.functional import to_pil_image

        image = as_tensor(_array(img_tensor))
        order = {"CHW": (0, 1, 2), "HWC": (2, 0, 1)}.get(dataformats)
        image = image.unsqueeze(0) if order is None else image.permute(*order)
        if image.is_floating_point():
            image = (image * 255).clamp(0, 255).byte()
        stream = io.BytesIO()
        picture = to_pil_image(image)
        picture.save(stream, format="PNG")
        made = self._summaries.Summary.Image(
            height=image.shape[1],
            width=image.shape[2],
            colorspace=image.shape[0],
            encoded_image_string=stream.getvalue(),
        )
        self._add(self._summaries.Summary.Value(tag=tag, image=made), global_step, walltime)

    def add_images(
        self, tag: str, img_tensor: Any, global_step: int | None = None, walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:  # fmt: skip
        """Several pictures as one grid."""
        from alight.ops.creation import as_tensor
        from alight.vision.utils import make_grid

        images = as_tensor(_array(img_tensor))
        if dataformats == "NHWC":
            images = images.permute(0, 3, 1, 2)
        self.add_image(tag, make_grid(images), global_step, walltime)

    def add_figure(
        self, tag: str, figure: Any, global_step: int | None = None, close: bool = True,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """A matplotlib figure as a picture."""
        stream = io.BytesIO()
        figure.savefig(stream, format="png")
        width, height = (int(one) for one in figure.canvas.get_width_height())
        made = self._summaries.Summary.Image(
            height=height, width=width, colorspace=4, encoded_image_string=stream.getvalue()
        )
        self._add(self._summaries.Summary.Value(tag=tag, image=made), global_step, walltime)
        if close:
            from matplotlib import pyplot

            pyplot.close(figure)

    def add_text(
        self,
        tag: str,
        text_string: str,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """A text, which may be Markdown."""
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

        plugin = self._summaries.SummaryMetadata.PluginData(plugin_name="text")
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        tensor = TensorProto(
            dtype="DT_STRING", string_val=[text_string.encode()], tensor_shape=shape
        )
        metadata = self._summaries.SummaryMetadata(plugin_data=plugin)
        value = self._summaries.Summary.Value(
            tag=f"{tag}/text_summary", metadata=metadata, tensor=tensor
        )
        self._add(value, global_step, walltime)

    def add_hparams(
        self, hparam_dict: dict[str, Any], metric_dict: dict[str, Any], *args: Any, **kwargs: Any
    ) -> None:
        """Settings of a run as a text, and its results as numbers."""
        self.add_text(
            "hparams", "\n".join(f"- {name}: {value}" for name, value in hparam_dict.items())
        )
        for name, value in metric_dict.items():
            self.add_scalar(name, value)

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, **options: Any
    ) -> None:
        """The model's layers as a text; what runs, `alight.explain()` prints."""
        self.add_text("graph", f"    {model!r}".replace("\n", "\n    "))

    def flush(self) -> None:
        """Write what is waiting to the file."""
        self._writer.flush()

    def close(self) -> None:
        """Write it and close the file."""
        self._writer.close()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def __dir__() -> list[str]:
    return list(__all__)


__all__ = [
    "SummaryWriter",
]
