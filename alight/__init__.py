"""alight: deep learning with PyTorch's API, from a light install."""

__version__ = "0.1.0"
