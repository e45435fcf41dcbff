"""The child processes of a process."""

import os
import subprocess
import sys

from gosonde_agent.host import procfs


def test_a_child_is_there_while_it_lives() -> None:
    before = procfs.children(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert procfs.children(os.getpid()) - before == {child.pid}
        child.communicate(b"\n")
    assert child.pid not in procfs.children(os.getpid())


def test_a_process_that_is_not_there_has_none() -> None:
    assert procfs.children(2**22 + 1) == frozenset()
