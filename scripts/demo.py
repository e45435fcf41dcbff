"""The whole of gosonde on one machine: a program that leaks, an agent that counts, a collector that finds the leak.

The leak is proved from the program's memory: growth alone is judged after 45 seconds at the earliest. Exit code 0 when
the collector named the leaking `go` statement and the program's own goroutine profile agreed.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rich.console import Console  # noqa: E402

from tests.go_programs import GoProgram, build, site_line  # noqa: E402

PROGRAM = "forgotten"
GOSONDE = ROOT / ".venv" / "bin" / "gosonde"
LEAKS_PER_SECOND = 50
TIMEOUT_SECONDS = 90
AS_ROOT = () if os.geteuid() == 0 else ("sudo",)

console = Console(highlight=False)


def main() -> int:
    """Runs the demonstration and cleans up after it."""
    if AS_ROOT and not shutil.which("sudo"):
        console.print("demo: the agent needs root, and there is no sudo: run this as root")
        return 3
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="gosonde-demo."))
        stack.callback(_remove, folder)
        address = f"127.0.0.1:{_free_port()}"
        stack.enter_context(_service(folder, "collector", f"--listen={address}", f"--data={folder / 'collector'}"))
        began = time.monotonic()
        with console.status("building a Go program that leaks (the first time this downloads a Go toolchain)"):
            executable = build(PROGRAM)
        _say(f"a Go program that leaks is built (after {time.monotonic() - began:.1f} s)")
        stack.enter_context(
            _service(
                folder,
                "agent",
                f"--collector={address}",
                f"--listen=unix:{folder / 'agent.sock'}",
                f"--state={folder / 'agent'}",
                f"--exe={executable}",
                prefix=AS_ROOT,
            )
        )
        program = stack.enter_context(GoProgram(executable, str(LEAKS_PER_SECOND)))
        _say(f"pid {program.pid} leaks {LEAKS_PER_SECOND} goroutines a second, and creates as many healthy ones")
        return _find_leak(program, address, folder)


def _find_leak(program: GoProgram, address: str, folder: Path) -> int:
    _await(
        "the agent counts its goroutines, and the collector knows them", lambda: _of(program, _ask("sites", address))
    )
    _say("now a search of its memory for goroutines that can never run again")
    _show("snapshot", str(program.pid), "--kind", "proof", "--collector", address)
    _await(
        "the collector has a finding that is proved",
        lambda: _agreed("proof", _of(program, _ask("findings", address))),
    )
    _say("now the program's own goroutine profile, as a second opinion")
    profile = folder / "goroutines.pb.gz"
    with urllib.request.urlopen(f"http://127.0.0.1:{program.ready['port']}/debug/pprof/goroutine") as response:
        profile.write_bytes(response.read())
    _show("pprof", "push", str(profile), str(program.pid), "--collector", address)
    agreed = _await(
        "the profile agrees, and a reading of memory that the collector asked for",
        lambda: _agreed("memory", _agreed("pprof", _of(program, _ask("findings", address)))),
    )
    _show("findings", "--collector", address)
    console.print(f"The program itself says: {program.ask('counts')}")
    right = (agreed["site"]["function"], agreed["site"]["line"]) == ("main.leak", site_line(PROGRAM, "leak"))
    if not right:
        console.print("[bold red]The finding names another site.[/]")
        return 1
    console.print("[bold green]The leak is found.[/] Now a service of your own, by its pid or its name:\n")
    for arguments in ("ps", "leaks NAME", "trace NAME --duration 30s"):
        console.print(" ".join((*AS_ROOT, str(GOSONDE), arguments)), soft_wrap=True)
    return 0


def _of(program: GoProgram, rows: list[dict[str, Any]] | None) -> dict[str, Any] | None:
    """The first row that is about the program."""
    return next((row for row in rows or () if row["process"]["pid"] == program.pid), None)


def _agreed(witness: str, finding: dict[str, Any] | None) -> dict[str, Any] | None:
    return finding if finding and finding["witnesses"][witness] == "agrees" else None


def _ask(command: str, address: str) -> Any:  # noqa: ANN401
    """What a `--json` command prints; None when it fails, as it does while the collector starts."""
    asked = (GOSONDE, command, "--json", "--collector", address)
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def _show(*command: str) -> None:
    """Runs a command as a reader would, in view."""
    console.print(f"[bold]$ gosonde {' '.join(command)}[/]", soft_wrap=True)
    subprocess.run((GOSONDE, *command), check=True)


def _say(text: str) -> None:
    console.print(f"[cyan]●[/] {text}")


def _await(what: str, look: Callable[[], Any]) -> Any:  # noqa: ANN401
    """What `look` returns as soon as it is true. Ends the demonstration when it stays false."""
    began = time.monotonic()
    with console.status(f"waiting until {what}") as status:
        while not (seen := look()):
            elapsed = time.monotonic() - began
            if elapsed > TIMEOUT_SECONDS:
                raise SystemExit(f"demo: gave up waiting until {what}; `gosonde doctor` may say why")
            status.update(f"waiting until {what} ({elapsed:.0f} s)")
            time.sleep(0.3)
    _say(f"{what} (after {time.monotonic() - began:.1f} s)")
    return seen


@contextmanager
def _service(folder: Path, name: str, *flags: str, prefix: tuple[str, ...] = ()) -> Iterator[None]:
    """Runs a service until the block ends; shows the end of its log when it ended by itself."""
    log = folder / f"{name}.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen((*prefix, GOSONDE, name, *flags), stderr=stderr)
    try:
        yield
    finally:
        if process.poll() is None:
            subprocess.run((*prefix, "sh", "-c", f"kill {process.pid}"), check=False)
            process.wait()
        else:
            console.print(f"the {name} ended with {process.returncode}:\n{log.read_text()[-2000:]}", markup=False)


def _remove(folder: Path) -> None:
    if AS_ROOT:
        subprocess.run((*AS_ROOT, "rm", "-rf", str(folder)), check=False)
    else:
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit(main())
