"""Fixtures that every test may use, the rule that nothing about eBPF is skipped in CI, and how far a run is."""

import functools
import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from gosonde_agent.host import checks
from gosonde_agent.sources.ebpf.loading import come_compiled

from tests import built_packages, go_programs, toolchains
from tests.go_programs import GoProgram
from tests.progress import Progress


def pytest_configure(config: pytest.Config) -> None:
    """What a shell starts in the background ignores Ctrl-C, and so would all that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(Progress(config), "progress")
    hypothesis.settings.register_profile("gosonde", deadline=None)  # how long an example takes depends on the machine
    hypothesis.settings.load_profile("gosonde")


def missing_for_ebpf() -> list[str]:
    """What this host lacks to run probes, one sentence each."""
    found = checks.checks(are_compiled=come_compiled())
    return [f"{check.name}: {check.found}" for check in found if check.status is checks.Status.MISSING]


@pytest.fixture(scope="session")
def ebpf() -> None:
    """Skips a test that runs probes where they cannot run; in CI (see below) that is a failure."""
    if missing := missing_for_ebpf():
        pytest.skip(f"eBPF is not usable here: {'; '.join(missing)}")


def in_ci() -> bool:
    """Whether CI is set to something that means yes."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, a test that uses `ebpf` may not be skipped, whatever the reason."""
    report = yield
    if report.skipped and in_ci() and "ebpf" in getattr(item, "fixturenames", ()):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where every eBPF test must run: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def packages_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder with the Debian packages for a release, such as "deb12": built once in a run."""

    @functools.cache
    def build(release: str) -> Path:
        folder = tmp_path_factory.mktemp(release)
        built_packages.build(folder, release)
        return folder

    return build


@pytest.fixture
def go_program() -> Iterator[Callable[..., GoProgram]]:
    """Builds and starts a program of `fixtures/go`, and kills it after the test.

    `go_program(name, *args, version=..., env=None, build_env=None, **build)` takes the flags of `go_programs.build` by
    name (`env` is the running program's), and returns the program when it is ready.
    """
    with ExitStack() as running:

        def start(
            name: str,
            *args: str,
            version: str = toolchains.DEFAULT,
            env: dict[str, str] | None = None,
            build_env: dict[str, str] | None = None,
            **flags: Any,
        ) -> GoProgram:
            executable = go_programs.build(name, version, env=build_env, **flags)
            return running.enter_context(GoProgram(executable, *args, env=env))

        yield start
