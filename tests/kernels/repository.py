"""The disk with the repository's files, the compiled probes and the Go programs: all that a run on a kernel reads."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gosonde_agent.sources.ebpf import compiled_file, probe_text
from gosonde_agent.sources.ebpf.compiler_process import compile_probes

from tests import go_programs, toolchains
from tests.kernels import disks
from tests.kernels.architectures import Architecture
from tests.kernels.trials import PROGRAMS
from tests.paths import ROOT

#: Where tests find what they cache, in the repository's folder.
CACHE = ".guest"


def disk(architecture: Architecture, tests: Sequence[str], made: Path) -> None:
    """Makes the disk for a run of some tests.

    Raises:
        NotPermittedError, ProbeError: The probes cannot be compiled.
        RuntimeError: A Go program cannot be.
    """
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "repository"
        tree.mkdir(mode=0o755)
        _copy_files(tree)
        _place_programs(architecture, tree / CACHE)
        (tree / CACHE / "tests").write_text("\n".join(tests))
        if architecture.is_hosts:
            compiled_file.keep(tree / "probes", probe_text.key_of_package(), compile_probes())
        disks.compile_python(*(path for path in tree.iterdir() if path.name != CACHE and path.is_dir()))
        disks.make_disk(tree, made, disks.REPOSITORY_MEGABYTES)


def _copy_files(tree: Path) -> None:
    listing = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True).stdout.split(b"\0")
    for file in (Path(os.fsdecode(name)) for name in names if name):
        if (ROOT / file).is_file():
            (tree / file).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            shutil.copy(ROOT / file, tree / file)


def _place_programs(architecture: Architecture, cache: Path) -> None:
    """Where tests look for those that they have built; the toolchain itself is not needed then."""
    environment = {} if architecture.is_hosts else {"GOARCH": architecture.name}
    for program in PROGRAMS:
        built = go_programs.build(program, env=environment)
        place = cache / "gosonde/programs" / go_programs.place(program)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(built, place)
    (cache / "gosonde/go" / toolchains.DEFAULT).mkdir(parents=True)
