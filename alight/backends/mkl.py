"""torch.backends.mkl: Intel's MKL is not used."""


def is_available() -> bool:
    """Whether it is there: no.

    >>> import alight as torch
    >>> torch.backends.mkl.is_available()
    False
    """
    return False
