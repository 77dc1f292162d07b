"""Run programs one after the other in this process and print what each of them printed, as JSON.

Started by `python runner.py FILE...` under PyTorch, and by `alight run runner.py FILE...` under alight.
"""

import contextlib
import io
import json
import sys
import time
import traceback
import warnings

import torch


def run(path):
    """What one program prints, and the traceback if it fails."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    torch.set_printoptions(profile="default")
    torch.distributions.Distribution.set_default_validate_args(True)  # torch.compile turns it off
    printed, start, failure = io.StringIO(), time.perf_counter(), None
    with open(path) as file:
        code = compile(file.read(), path, "exec")
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(code, {"__name__": "__main__", "__file__": path})
        except Exception:
            failure = traceback.format_exc()
    return {
        "printed": printed.getvalue(),
        "failure": failure,
        "seconds": time.perf_counter() - start,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({path: run(path) for path in sys.argv[1:]}))
