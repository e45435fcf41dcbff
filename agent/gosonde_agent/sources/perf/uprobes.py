"""Uprobes of perf events in a file: at two instructions, on each CPU, for every process that runs it."""

import os
import tempfile
from collections.abc import Iterator, Sequence

from gosonde_agent.host import procfs
from gosonde_agent.host.sampling_events import Instruction, check_machine, online_cpus, open_file_uprobe

#: Of no program: the instruction is in a file that nobody runs.
NOWHERE = Instruction(0, 0, ("rax",))


def open_uprobes(
    _pid: int, fd: int, instructions: Sequence[Instruction], cpus: Sequence[int]
) -> Iterator[tuple[int, int, int]]:
    """Gives (place of the instruction, CPU, descriptor) of each as soon as it is there.

    Raises:
        GosondeError: As `open_file_uprobe`.
    """
    for which, instruction in enumerate(instructions):
        for cpu in cpus:
            yield which, cpu, open_file_uprobe(fd, cpu, instruction)


def try_uprobe() -> None:
    """Opens a uprobe in a file of its own, and closes it.

    Raises:
        GosondeError: As `open_file_uprobe`.
    """
    procfs.check_numbers()
    check_machine()
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"\x90" * 64)
        file.flush()
        os.close(open_file_uprobe(file.fileno(), online_cpus()[0], NOWHERE))
