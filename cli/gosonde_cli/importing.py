"""How commands import what takes long to import, or is not installed everywhere."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from gosonde_common.errors import UnsupportedError

#: Without it numpy's library for matrices, which nothing here multiplies, starts a thread for each CPU, and they spin.
THREADS: Final = "OPENBLAS_NUM_THREADS"
#: What structlog imports where it is there, to colour tracebacks. Ours have no colours.
COLOURING: Final = ("rich.traceback", "rich.pretty")


@contextmanager
def soon() -> Iterator[None]:
    """What is imported meanwhile is there sooner and never searched for garbage. The environment stays as it was."""
    is_ours = THREADS not in os.environ
    os.environ.setdefault(THREADS, "1")
    absent: Any = None
    hidden = [name for name in COLOURING if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden, absent))
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        for name in hidden:
            del sys.modules[name]
        if is_ours:
            del os.environ[THREADS]


@contextmanager
def needing(extra: str, what: str = "this") -> Iterator[None]:
    """What is imported meanwhile comes with an extra of gosonde, such as "agent"; `what` is what it is for.

    Raises:
        UnsupportedError: It is not installed.
    """
    try:
        yield
    except ImportError as error:
        module = error.name or str(error)
        raise UnsupportedError(f"{what} needs the Python module {module}: pip install 'gosonde[{extra}]'") from error
