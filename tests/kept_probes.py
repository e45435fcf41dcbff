"""Compiled probes that tests share: compiling takes longer than most tests, and has tests of its own."""

import functools
from pathlib import Path

from gosonde_agent.sources.ebpf.compiled_file import FILE_NAME
from gosonde_agent.sources.ebpf.loading import Probes, come_compiled, load_probes

from tests.toolchains import cache_dir

#: What was compiled from other sources, or for another kernel, is not believed but compiled anew and replaced.
FOLDER = cache_dir() / "probes"


def load_kept() -> Probes:
    """The probes, compiled only when no test before has compiled the same. Raises as `load_probes`."""
    return load_probes(FOLDER)


@functools.cache
def _kept() -> bytes:
    load_kept().close()
    return (FOLDER / FILE_NAME).read_bytes()


def give(state: Path) -> None:
    """Puts them where an agent finds those of its last start, unless it has some. Raises as `load_probes`."""
    if come_compiled():
        return  # an agent takes those of the package
    state.mkdir(mode=0o750, parents=True, exist_ok=True)
    if not (state / FILE_NAME).exists():
        (state / FILE_NAME).touch(mode=0o600)
        (state / FILE_NAME).write_bytes(_kept())
