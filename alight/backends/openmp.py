"""torch.backends.openmp: OpenMP is not used."""


def is_available() -> bool:
    """Whether it is there: no.

    >>> import alight as torch
    >>> torch.backends.openmp.is_available()
    False
    """
    return False
