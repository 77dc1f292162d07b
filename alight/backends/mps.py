"""torch.backends.mps: Apple's Metal is not used."""


def is_available() -> bool:
    """Whether it is there: no.

    >>> import alight as torch
    >>> torch.backends.mps.is_available()
    False
    """
    return False


def is_built() -> bool:
    """Whether it is there: no.

    >>> import alight as torch
    >>> torch.backends.mps.is_built()
    False
    """
    return False
