"""torch.autograd.anomaly_mode: modes under PyTorch's own file name."""

from alight.autograd.modes import detect_anomaly, set_detect_anomaly

__all__ = ["detect_anomaly", "set_detect_anomaly"]
