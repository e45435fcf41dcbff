"""Where threads can be stopped."""

import pytest
from gosonde_agent.sources.ptrace import calls
from gosonde_common.errors import UnsupportedError


def test_another_architecture_is_refused_by_name() -> None:
    calls.check_machine("x86_64")
    with pytest.raises(UnsupportedError, match="stopped on x86_64 only, and this is aarch64"):
        calls.check_machine("aarch64")
