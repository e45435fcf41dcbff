"""The helper's side, run in a thread: what it does, what it refuses, and that a refusal ends nothing."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde_agent.golang.buildinfo import MAGIC
from gosonde_agent.host import helper_answers
from gosonde_agent.host.access import Direct
from gosonde_agent.host.helper_answers import MOST_A_SECOND, MOST_AT_ONCE, Answers, Pace
from gosonde_agent.host.helper_client import HelperClient
from gosonde_agent.host.helper_log import HelperLog, Refusals
from gosonde_agent.host.helper_messages import REQUEST, Kind, received, text_of
from gosonde_agent.model.errors import NoSuchProcessError, NotGoError, RefusedError
from gosonde_common.errors import UnavailableError

#: No process has it.
NOBODY = (1 << 22) - 1


class Programs:
    """Attaches nothing, and says with a file's content what it was asked for."""

    def open_uprobe(self, fd: int, file_offset: int, pid: int | None) -> int:
        assert os.fstat(fd).st_size > file_offset
        return text_file(f"{file_offset} {pid}")

    def link(self, program: str, event_fd: int, cookie: int) -> int:
        os.fstat(event_fd)
        return text_file(f"{program} {cookie}")

    def link_uprobe(self, program: str, fd: int, file_offset: int, pid: int | None, cookie: int) -> int:
        assert os.fstat(fd).st_size > file_offset
        return text_file(f"{program} {file_offset} {pid} {cookie}")

    def raw_tracepoint(self, program: str) -> int:
        return text_file(program)


def held(pid: int, fd: int) -> None:
    """Stops nothing, and says over the socket what it was asked for."""
    os.write(fd, str(pid).encode())


def text_file(text: str) -> int:
    fd = os.memfd_create("test")
    os.pwrite(fd, text.encode(), 0)
    return fd


def text_in(fd: int) -> str:
    with contextlib.closing(os.fdopen(fd)) as file:
        file.seek(0)
        return file.read()


@pytest.fixture
def channel() -> Iterator[socket.socket]:
    """The agent's end of a helper's socket."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    answers = Answers(Direct(), Programs(), ("first", "second"), ("exec",), os.getpid(), hold=held)
    thread = threading.Thread(
        target=helper_answers.serve, args=(there, answers, Pace(), Refusals(HelperLog(json=True)))
    )
    thread.start()
    with there:
        yield here
        here.close()
        thread.join()


@pytest.fixture
def client(channel: socket.socket) -> Iterator[HelperClient]:
    with socket.socket() as main:
        yield HelperClient(main, [channel])


def test_an_executable_comes_open_and_with_its_path(client: HelperClient) -> None:
    fd, path = client.executable(os.getpid())
    try:
        assert os.path.samestat(os.fstat(fd), Path("/proc/self/exe").stat())
        assert path == str(Path("/proc/self/exe").readlink())
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)


def test_the_memory_and_the_mappings_of_what_is_not_gos_are_refused(client: HelperClient) -> None:
    for ask in (client.memory, client.mappings):
        with pytest.raises(RefusedError, match="not the file of a Go program"):
            ask(os.getpid())


#: Maps a file as code, says so, and waits.
MAPPER = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    code = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
print(flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def mapping(path: Path) -> Iterator[int]:
    """The pid of a Python program that has mapped a file as code."""
    command = [sys.executable, "-c", MAPPER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_a_library_with_gos_mark_opens_the_memory_of_the_process_that_has_mapped_it(
    client: HelperClient, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    library.write_bytes(MAGIC + bytes(8_192))
    with mapping(library) as pid:
        fd, path = client.library(pid)
        assert (path, os.fstat(fd).st_ino) == (str(library), library.stat().st_ino)
        os.close(client.open_uprobe(fd, 16, pid))
        for opened in (fd, client.memory(pid), client.mappings(pid)):
            os.close(opened)


def test_a_process_whose_libraries_have_no_go_in_them_is_told_as_that(client: HelperClient, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.write_bytes(bytes(8_192))
    with mapping(library) as pid:
        with pytest.raises(NotGoError, match="neither the executable nor a mapped library"):
            client.library(pid)
        with pytest.raises(RefusedError, match="not the file of a Go program"):
            client.memory(pid)


def test_a_process_that_is_not_there_is_told_as_that(client: HelperClient) -> None:
    with pytest.raises(NoSuchProcessError):
        client.executable(NOBODY)


def test_no_probe_and_no_lease_goes_to_a_file_that_nobody_was_seen_to_run(client: HelperClient, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(64))
    with (tmp_path / "file").open("rb") as file:
        with pytest.raises(RefusedError, match="seen to run"):
            client.open_uprobe(file.fileno(), 0, None)
        with pytest.raises(RefusedError, match="seen to run"):
            client.open_uprobe(file.fileno(), 0, os.getppid())
        with pytest.raises(RefusedError, match="seen to run"):
            client.link_uprobe(0, file.fileno(), 0, None, 1)
        with pytest.raises(RefusedError, match="seen to run"):
            client.leased(file.fileno())


def test_no_probe_goes_to_what_runs_and_is_not_gos(client: HelperClient) -> None:
    fd, _ = client.executable(os.getpid())
    try:
        with pytest.raises(RefusedError, match="not the file of a Go program"):
            client.open_uprobe(fd, 0, None)
    finally:
        os.close(fd)


def test_the_agent_may_have_probes_in_itself_inside_of_a_file(client: HelperClient) -> None:
    fd = text_file("loops")
    try:
        assert text_in(client.open_uprobe(fd, 3, os.getpid())) == f"3 {os.getpid()}"
        with pytest.raises(RefusedError, match="outside"):
            client.open_uprobe(fd, 5, os.getpid())
        assert text_in(client.link_uprobe(1, fd, 3, os.getpid(), 8)) == f"second 3 {os.getpid()} 8"
        with pytest.raises(RefusedError, match="outside"):
            client.link_uprobe(1, fd, 5, os.getpid(), 8)
        with pytest.raises(RefusedError, match="no program 2"):
            client.link_uprobe(2, fd, 3, os.getpid(), 8)
    finally:
        os.close(fd)


def test_only_programs_of_the_list_are_attached(client: HelperClient) -> None:
    event = text_file("event")
    try:
        assert text_in(client.link(1, event, 7)) == "second 7"
        assert text_in(client.raw_tracepoint(0)) == "exec"
        with pytest.raises(RefusedError, match="no program 2"):
            client.link(2, event, 7)
        with pytest.raises(RefusedError, match="no program 1"):
            client.raw_tracepoint(1)
    finally:
        os.close(event)


def test_threads_of_what_is_not_gos_and_threads_of_others_are_not_sampled(client: HelperClient, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="not the file of a Go program"):
        client.thread_event(os.getpid(), os.getpid(), at_switches=True)
    library = tmp_path / "library"
    library.write_bytes(MAGIC + bytes(8_192))
    with mapping(library) as pid:
        with pytest.raises(NoSuchProcessError, match="no thread"):
            client.thread_event(pid, os.getpid(), at_switches=True)
        with pytest.raises(RefusedError, match="no thread"):
            client.thread_event(pid, 1 << 40, at_switches=True)


def test_a_socket_is_found_by_its_inode(client: HelperClient) -> None:
    with socket.socket() as own:
        inode = os.fstat(own.fileno()).st_ino
        assert client.has_socket(os.getpid(), inode)
    assert not client.has_socket(os.getpid(), inode)


@pytest.mark.parametrize("message", [b"x", bytes(REQUEST.size), bytes(9000), REQUEST.pack(99, 1, 0, 0, 0)])
def test_what_is_no_request_is_refused_and_the_next_one_is_answered(channel: socket.socket, message: bytes) -> None:
    channel.send(message)
    with pytest.raises(RefusedError):
        text_of(received(channel, 4096)[0], ())
    channel.send(REQUEST.pack(Kind.LABELS, os.getpid(), 0, 0, 0))
    assert text_of(received(channel, 4096)[0], ()) == Direct().labels(os.getpid())


def test_descriptors_of_refused_requests_do_not_stay_open(channel: socket.socket) -> None:
    count = len(list(Path("/proc/self/fd").iterdir()))
    with Path("/dev/null").open() as file:
        for _ in range(50):
            socket.send_fds(channel, [REQUEST.pack(Kind.MEMORY, os.getpid(), 0, 0, 0)], [file.fileno(), file.fileno()])
            with pytest.raises(RefusedError):
                text_of(received(channel, 4096)[0], ())
    channel.send(REQUEST.pack(Kind.LABELS, os.getpid(), 0, 0, 0))  # answered when all of the one before is done
    received(channel, 4096)
    assert len(list(Path("/proc/self/fd").iterdir())) <= count


def test_a_helper_that_has_ended_is_told_as_that() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    main, other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with main, other_end:
        client = HelperClient(main, [here])
        there.close()
        with pytest.raises(UnavailableError, match="helper"):
            client.executable(1)
        assert other_end.recv(1) == b"", "when the last channel is gone, the helper is told to end"


def test_whoever_asks_too_often_waits_and_nobody_else_does() -> None:
    slept: list[float] = []
    pace = Pace(now=lambda: 100.0, sleep=slept.append)
    for _ in range(MOST_AT_ONCE):
        pace.wait()
    assert sum(slept) < 1e-6
    for _ in range(MOST_A_SECOND):
        pace.wait()
    assert slept[-1] == pytest.approx(1.0)
