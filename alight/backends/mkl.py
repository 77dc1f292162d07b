"""torch.backends.mkl: Intel's MKL is not used."""


def is_available() -> bool:
    """Whether it is there: no."""
    return False
