"""Builds the Go programs of `tests/fixtures/go`, runs them, and talks to them.

A program prints one JSON line with `"ready": true` when it has started, then answers each command line that it reads
from its standard input with one JSON line (see `fixtures/go/protocol`).
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from tests import toolchains

SOURCES = Path(__file__).resolve().parent / "fixtures" / "go"
HOST = SOURCES.parent / "c" / "host.c"
#: Runs of tests side by side have programs of their own: the probes of one would be hit by the programs of the other.
OWN = os.environ.get("GOSONDE_PROGRAMS", "")


def build(
    name: str,
    version: str = toolchains.DEFAULT,
    *,
    ldflags: Sequence[str] = (),
    buildmode: str = "exe",
    flags: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Path:
    """The executable of the program `name`, built with one version of Go; built once for equal sources and flags.

    Args:
        name: A folder of `fixtures/go`.
        version: One of `toolchains.VERSIONS`.
        ldflags: For example ("-s", "-w") for a stripped one.
        buildmode: For example "pie".
        flags: Further ones of `go build`, for example ("-race",).
        env: Variables beside those of `toolchains.environment`, for example {"CGO_ENABLED": "1"}.

    Raises:
        RuntimeError: It does not compile; the message is the compiler's.
    """
    go = toolchains.go(version)
    environment = toolchains.environment(version) | dict(env or {})
    flags = [f"-buildmode={buildmode}", f"-ldflags={' '.join(ldflags)}", *flags]
    kept = place(name, version, flags, env)
    programs = toolchains.cache_dir() / "programs"
    target = programs / kept
    with toolchains.locked(target.with_name(f"{target.name}.lock")):
        if not target.exists():
            _compile([str(go), "build", "-buildvcs=false", *flags], name, target, environment)
    return _own(target, programs / OWN / kept) if OWN else target


def place(
    name: str,
    version: str = toolchains.DEFAULT,
    flags: Sequence[str] = ("-buildmode=exe", "-ldflags="),
    env: Mapping[str, str] | None = None,
) -> Path:
    """Where, below the folder of all, `build` keeps an executable that it builds with these flags."""
    return Path(version, _digest(flags, env or {}), name)


def _own(program: Path, target: Path) -> Path:
    """A copy: another file for the kernel, the same program for everybody else."""
    with toolchains.locked(target.with_name(f"{target.name}.lock")):
        if not target.exists():
            unfinished = target.with_name(f"{target.name}.unfinished")
            shutil.copy2(program, unfinished)
            unfinished.rename(target)
    return target


def build_host(version: str = toolchains.DEFAULT, *, is_stripped: bool = False) -> Path:
    """A C program with the Go of `fixtures/go/library` in it, linked by the C compiler.

    Raises:
        RuntimeError: The library does not compile; the message is the compiler's.
        subprocess.CalledProcessError: The host does not; its own message is on stderr.
    """
    library = build("library", version, buildmode="c-archive", env={"CGO_ENABLED": "1"})
    target = library.with_name("host.stripped" if is_stripped else "host")
    with toolchains.locked(target.with_suffix(".lock")):
        if not target.exists():
            unfinished = target.with_suffix(".unfinished")
            gcc = ["gcc", "-O1", *(("-s",) if is_stripped else ()), "-o", str(unfinished), str(HOST), "-x", "none"]
            subprocess.run([*gcc, str(library), "-lpthread"], check=True)
            unfinished.rename(target)
    return target


def _compile(command: list[str], name: str, target: Path, environment: Mapping[str, str]) -> None:
    unfinished = target.with_name(f"{target.name}.unfinished")
    done = subprocess.run(
        [*command, "-o", str(unfinished), f"./{name}"],
        cwd=SOURCES,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"go build of {name} failed:\n{done.stderr}")
    unfinished.rename(target)


def _digest(flags: Sequence[str], env: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps([str(SOURCES), list(flags), sorted(env.items())]).encode())
    for path in sorted((*SOURCES.rglob("*.go"), SOURCES / "go.mod")):
        digest.update(f"\0{path.relative_to(SOURCES)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def compiler_output(name: str, version: str = toolchains.DEFAULT, *flags: str) -> bytes:
    """What `go build` with the flags, such as "-gcflags=-m -m", prints on standard error as it builds `name`."""
    command = [str(toolchains.go(version)), "build", "-buildvcs=false", *flags, "-o", os.devnull, f"./{name}"]
    environment = toolchains.environment(version)
    return subprocess.run(command, cwd=SOURCES, env=environment, capture_output=True, check=True).stderr


def site_line(program: str, marker: str) -> int:
    """The line of `program`'s main.go that ends in the comment `// site: MARKER`.

    Raises:
        ValueError: There is not exactly one.
    """
    lines = (SOURCES / program / "main.go").read_text().splitlines()
    found = [number for number, line in enumerate(lines, start=1) if line.endswith(f"// site: {marker}")]
    if len(found) != 1:
        raise ValueError(f"{program}/main.go has {len(found)} lines marked as site {marker}, not one")
    return found[0]


class GoProgram:
    """A running program. Use it as a context manager: the program is killed at the end, whatever happens.

    Attributes:
        pid: The program's.
        ready: The first line that it printed.
    """

    def __init__(
        self,
        executable: Path,
        *args: str,
        env: Mapping[str, str] | None = None,
        stderr: IO[bytes] | None = None,
        user: int | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            [str(executable), *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=dict(os.environ) | dict(env or {}),
            user=user,
        )
        self.pid = self._process.pid
        self.ready: dict[str, Any] = {}

    def __enter__(self) -> Self:
        try:
            self.ready = self.answer()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def ask(self, command: str) -> dict[str, Any]:
        """Sends a command line and returns the answer."""
        self.send(command)
        return self.answer()

    def send(self, command: str) -> None:
        """Sends a command line; its answer is what the next `answer` returns."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """The next line that the program prints.

        Raises:
            RuntimeError: It ended instead, or said that the command failed.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()} instead of answering")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{self._process.args!r} says: {answer['error']}")
        return answer

    def wait(self) -> int:
        """Waits until the program ends, and returns its exit status (negative: the signal)."""
        return self._process.wait()

    def alive(self) -> bool:
        """Whether the program still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Ends the program at once and closes its pipes; does no harm when it has ended."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue  # a command that it no longer read
