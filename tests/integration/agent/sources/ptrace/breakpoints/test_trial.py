"""Whether a host allows breakpoints is tried, and leaves nothing behind."""

import os
from pathlib import Path

import pytest
from gosonde_agent.sources.ptrace.breakpoints.trial import try_breakpoints

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="breakpoints are for amd64 alone")


def children() -> str:
    """Those of this thread."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


def test_breakpoints_can_be_tried_here_and_the_process_for_it_is_gone_after_that() -> None:
    before = children()
    try_breakpoints()
    assert children() == before
