"""torch.backends.mps: Apple's Metal is not used."""


def is_available() -> bool:
    """Whether it is there: no."""
    return False


def is_built() -> bool:
    """Whether it is there: no."""
    return False
