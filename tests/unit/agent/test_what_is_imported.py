"""What agent and helper import is a short list: each library that comes along takes memory for as long as they run."""

import json
import subprocess
import sys

import pytest

#: Distributions and what they need themselves; beside them only the standard library.
OF_THE_AGENT = {
    *("gosonde_agent", "gosonde_cli", "gosonde_common", "gosonde_pb"),
    *("capstone", "elftools", "numpy"),
    *("google", "grpc", "grpc_health", "grpc_reflection", "sdnotify", "structlog"),
    "grpc_tools",  # gRPC imports it where it is there: for those who work on gosonde
    "greenlet",  # structlog imports it where it is there: with what tests drive a browser with
    *("cython_runtime", "typing_extensions"),
}
OF_THE_HELPER = {"gosonde_agent", "gosonde_common"}


def imported_by(statements: str) -> set[str]:
    """Top-level modules that are none of the standard library, and are there once a new interpreter has run this."""
    tell = "import sys, json; print(json.dumps([name for name, module in sys.modules.items() if module]))"
    nothing, something = (
        {name.partition(".")[0] for name in json.loads(subprocess.check_output([sys.executable, "-c", code]))}
        for code in (tell, f"{statements}\n{tell}")
    )
    found = something - nothing - sys.stdlib_module_names
    return {name for name in found if not name.startswith("_")}


def test_the_agent_imports_nothing_that_reads_command_lines_compiles_or_colours() -> None:
    found = imported_by("from gosonde_cli.agent_process import import_service; import_service()")
    assert found <= OF_THE_AGENT
    assert {"gosonde_agent", "grpc", "numpy"} <= found


def test_the_agent_has_nothing_of_openssl_or_http_unless_somebody_asks_for_it() -> None:
    start = "from gosonde_cli.agent_process import import_service; import_service()"
    there = "import sys; assert not {'ssl', 'http.client', 'prometheus_client'} & sys.modules.keys()"
    later = "import gosonde_agent.serve.telemetry, ssl"
    subprocess.run([sys.executable, "-c", f"{start}; {there}; {later}"], check=True)


@pytest.mark.parametrize("module", ["gosonde_agent.helper", "gosonde_agent.sources.ebpf.compiling"])
def test_the_helper_imports_no_library_at_all(module: str) -> None:
    """Nor does it for finding out whether the probes that were kept are of this kernel and source."""
    assert imported_by(f"import {module}") == OF_THE_HELPER
