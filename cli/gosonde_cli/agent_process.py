"""What `gosonde agent` is once it has read its command line: a process of its own, without what reads command lines."""

import importlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from gosonde_cli.exiting import exit_code_of_errors
from gosonde_cli.importing import needing


def become(config: Path | None, flags: Mapping[str, object], *, as_json: bool) -> NoReturn:
    """Goes on as another program in this process, which keeps its pid and what systemd gave it.

    What commands import takes some 10 MB that the agent would have for good.
    """
    arguments = json.dumps({"config": config, "flags": flags, "as_json": as_json}, default=str)
    find = f"import sys; sys.path[:] = {sys.path!r}"
    run = f"{find}; from gosonde_cli.agent_process import main; main({arguments!r})"
    # It has no use for the rest, but whoever lists processes has.
    os.execv(sys.executable, [sys.executable, "-P", "-c", run, *sys.argv])  # noqa: S606  # no shell, our own program


@exit_code_of_errors()
def main(arguments: str) -> None:
    """Runs the agent with the arguments of `become`, and ends as the command does."""
    Path("/proc/self/comm").write_text("gosonde")
    _run(**json.loads(arguments))


def _run(config: str | None, flags: dict[str, object], *, as_json: bool) -> None:
    with _without_openssl():
        from gosonde_agent.config import AgentConfig, by_hand, load  # noqa: PLC0415  # some hosts have no agent
        from gosonde_agent.helper import connect, start, without_privileges  # noqa: PLC0415
        from gosonde_agent.host.descriptors import check_enough  # noqa: PLC0415
        from gosonde_agent.host.own_budget import allocate_sparingly  # noqa: PLC0415

    def reread() -> AgentConfig:
        return load(Path(config), flags) if config else by_hand().merged(flags)

    settings = reread()
    check_enough()
    path = settings.helper.removeprefix("unix:")
    there = connect(path) if path else start(settings.state, as_json=as_json)
    without_privileges(there)
    allocate_sparingly()
    service = import_service()
    from gosonde_common import logs  # noqa: PLC0415  # as late as the service, which needs the same libraries

    logs.configure(json=as_json or not sys.stderr.isatty(), level=settings.log_level)
    service.run(settings, reread, there)


def import_service() -> ModuleType:
    """Imports the agent itself; call it late: libraries start threads, and the compiler and they are never both large.

    Raises:
        UnsupportedError: A library is missing.
    """
    absent: Any = None
    sys.modules.setdefault("rich", absent)  # structlog would import it, to colour tracebacks
    with needing("agent", "the agent"), _without_openssl():
        return importlib.import_module("gosonde_agent.service")


@contextmanager
def _without_openssl() -> Iterator[None]:
    """What is imported meanwhile does without OpenSSL, which asyncio would load; gRPC has a TLS of its own.

    Whoever needs it later imports it then.
    """
    absent: Any = None
    sys.modules.setdefault("ssl", absent)
    try:
        yield
    finally:
        if sys.modules["ssl"] is None:
            del sys.modules["ssl"]
