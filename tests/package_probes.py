"""A gosonde as a package installs it: with compiled probes, and where no bcc can be imported."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import gosonde_agent
from gosonde_agent.sources.ebpf import compiled_file, probe_text
from gosonde_agent.sources.ebpf.compiler_process import compile_probes

NO_BCC = "raise ImportError('no bcc here')\n"


def bring(folder: Path) -> Path:
    """A folder with the probes' source and the compiled ones, as the packages have it."""
    shutil.copytree(probe_text.probe_dir(), folder)
    folder.chmod(0o755)
    compiled_file.keep(folder, probe_text.key_of_package(), compile_probes())
    return folder


def install(folder: Path) -> Mapping[str, str]:
    """Puts the agent's modules and its probes into an empty folder: the environment in which commands use them."""
    shutil.copytree(Path(gosonde_agent.__file__).parent, folder / "gosonde_agent")
    bring(folder / "gosonde_agent" / "probes")
    (folder / "bcc.py").write_text(NO_BCC)
    return os.environ | {"PYTHONPATH": str(folder)}
