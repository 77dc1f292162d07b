"""torch.hub: models from repositories run code from the network, which alight does not do."""

from __future__ import annotations

import os
from typing import Any

from alight import config
from alight.errors import not_implemented
from alight.offered import listing

_dir: str | None = None


def load(repo_or_dir: str, model: str, *args: Any, **kwargs: Any) -> Any:
    """Not there: it would run code from the network.

    Errors: NotImplementedError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.hub.load('somebody/nets', 'net')
    ... except NotImplementedError as error:
    ...     print('not there')
    not there
    """
    not_implemented(
        f"torch.hub.load({repo_or_dir!r})",
        "the model's source beside your own, and torch.load of its weights",
    )


def list(github: str, *args: Any, **kwargs: Any) -> Any:
    """Not there: see `load`.

    Errors: NotImplementedError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.hub.list('somebody/nets')
    ... except NotImplementedError as error:
    ...     print('not there')
    not there
    """
    not_implemented("torch.hub.list", "the repository's page")


def help(github: str, model: str, *args: Any, **kwargs: Any) -> Any:
    """Not there: see `load`.

    Errors: NotImplementedError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.hub.help('somebody/nets', 'net')
    ... except NotImplementedError as error:
    ...     print('not there')
    not there
    """
    not_implemented("torch.hub.help", "the repository's page")


def load_state_dict_from_url(url: str, *args: Any, **kwargs: Any) -> Any:
    """Not there: files are fetched by the user.

    Errors: NotImplementedError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.hub.load_state_dict_from_url('net.pt')
    ... except NotImplementedError as error:
    ...     print('not there')
    not there
    """
    not_implemented(
        "torch.hub.load_state_dict_from_url", "a download by hand, then torch.load(path)"
    )


def download_url_to_file(url: str, dst: str, *args: Any, **kwargs: Any) -> None:
    """Not there: files are fetched by the user.

    Errors: NotImplementedError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.hub.download_url_to_file('net.pt', 'here.pt')
    ... except NotImplementedError as error:
    ...     print('not there')
    not there
    """
    not_implemented("torch.hub.download_url_to_file", "urllib.request.urlretrieve(url, path)")


def get_dir() -> str:
    """Where downloaded files would lie.

    >>> import alight as torch
    >>> isinstance(torch.hub.get_dir(), str)
    True
    """
    home = config.torch_home or os.path.join(os.path.expanduser("~"), ".cache", "torch")
    return _dir or os.path.join(home, "hub")


def set_dir(d: Any) -> None:
    """Choose that place.

    >>> import alight as torch
    >>> before = torch.hub.get_dir()
    >>> torch.hub.set_dir('models')
    >>> torch.hub.get_dir()
    'models'
    >>> torch.hub.set_dir(before)
    """
    global _dir
    _dir = os.path.expanduser(str(d))


__dir__ = listing(globals())
