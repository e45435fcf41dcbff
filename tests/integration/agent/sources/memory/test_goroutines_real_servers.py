"""Stacks read from servers that nobody here wrote equal those that their own pprof gives."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from gosonde_agent.golang.buildinfo import parse_version
from gosonde_agent.sources.memory.target import opened

from tests import real_binaries
from tests.integration.goroutine_profiles import Stack, pprof_stacks, read_stacks
from tests.real_binaries import Http
from tests.real_servers import etcd, nats, prometheus

#: What serves the profile is not the same in two pictures: it runs in one and waits for the next request in the other.
SERVING = ("net/http.(*conn).serve", "net/http.(*connReader).backgroundRead")


def profile(http: Http, folder: Path) -> Counter[Stack]:
    """The server's own goroutine profile."""
    http.connection.request("GET", "/debug/pprof/goroutine")
    (folder / "profile").write_bytes(http.connection.getresponse().read())
    return pprof_stacks(folder / "profile")


def is_serving(stack: Stack) -> bool:
    """Also an empty stack: the read that a request starts has not run yet, and pprof hides the wrapper it begins in."""
    return not stack or any(function in SERVING for function, _line in stack)


@pytest.mark.parametrize("server", [prometheus, etcd, nats])
def test_stacks_equal_pprofs(server: Callable[[Path], tuple[Sequence[str], int, int]], tmp_path: Path) -> None:
    command, port, pprof_port = server(tmp_path)
    with real_binaries.running(command, port, tmp_path) as pid, Http(pprof_port) as http:
        profile(http, tmp_path)
        for _ in range(20):
            before = profile(http, tmp_path)
            with opened(pid) as target:
                minor = parse_version(target.go_version).minor
                found = [goroutine for goroutine in target.goroutines() if not goroutine.active]
            after = profile(http, tmp_path)
            steady = Counter({stack: n for stack, n in (before & after).items() if not is_serving(stack)})
            read = Counter({stack: n for stack, n in read_stacks(found, minor).items() if not is_serving(stack)})
            if before == after and read == steady:
                break
            time.sleep(0.2)
        # What ran or changed between the two profiles is theirs to report; all that stayed must be equal.
        assert sum(steady.values()) > 10
        assert read == steady
