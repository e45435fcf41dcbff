"""The agent's helper, a small process with the privileges, and how the agent gets one.

It has the probes loaded, gives the agent their maps, and from then on opens what the agent asks for. It ends with the
agent, and the agent with it: each sees the other's end of a socket or a pipe closed. What has privileges
imports little, and nothing of the rest of the agent.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from gosonde_common.errors import UnavailableError

from gosonde_agent.host import access, helper_answers, privileges, seccomp, trials
from gosonde_agent.host.helper_client import HelperClient
from gosonde_agent.host.helper_log import HelperLog, Refusals
from gosonde_agent.model.errors import NotPermittedError, OldKernelError, ProbeError
from gosonde_agent.sources.ebpf.compiler_process import COMPILING_SECONDS
from gosonde_agent.sources.ebpf.helped import AT_TRACEPOINTS, AT_UPROBES, HelpedProbes, shared
from gosonde_agent.sources.ebpf.loading import Probes, load_probes
from gosonde_agent.sources.ptrace.held import Holding

#: Of the first message, with its descriptors; the kernel lets 253 go with one.
MOST_BYTES, MOST_DESCRIPTORS = 1 << 16, 253
#: What may be raised before it answers requests.
ERRORS = (NotPermittedError, UnavailableError)
#: What the kernel must let it do for there to be probes.
NEEDED = (("may not use BPF", trials.program), ("cannot open a uprobe", trials.uprobe))
#: The helper's first message comes after compiling.
STARTING_SECONDS = COMPILING_SECONDS + 10
#: Requests that are answered at the same time: a dead file system can hold up who opens a file of it, without end.
CHANNELS = 32
ENDING_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Helper:
    """A helper that is there.

    Attributes:
        client: Asks it.
        probes: What it has loaded; nothing where it may not.
        no_probes_because: Why it may place no probes; empty when it may.
        pid: The process that it is.
        life: The descriptor of the socket that it ends with; readable when it has ended.
        process: It, where this process has started it.
    """

    client: HelperClient
    probes: HelpedProbes
    no_probes_because: str
    pid: int
    life: int
    process: "subprocess.Popen[bytes] | None"

    def close(self) -> None:
        """Has it end, and waits for that where this process has started it."""
        self.client.close()
        if self.process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(ENDING_SECONDS)


def start(folder: Path | None = None, *, as_json: bool = False) -> Helper:
    """Starts a helper with this process's privileges; takes about a second when it has to compile the probes.

    Args:
        folder: Where it keeps them.
        as_json: Whether it logs JSON also to a terminal.

    Raises:
        NotPermittedError: The kernel does not let it give up privileges.
        UnavailableError: The host is too busy to compile; or it ended and said nothing.
    """
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with there:
        # It looks for modules where this process does, and not in the directory that it was started in.
        find = f"import sys; sys.path[:] = {sys.path!r}"
        arguments = f"{there.fileno()}, {folder and str(folder)!r}, as_json={as_json}"
        run = f"from gosonde_agent.helper import main; main({arguments})"
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"{find}; {run}"],
            pass_fds=[there.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=2,
            process_group=0,
        )
    return _joined(here, process)


def connect(path: str) -> Helper:
    """Takes the helper that waits at a socket, as gosonde-helper.socket does.

    Raises:
        UnavailableError: Nobody answers there.
        NotPermittedError: This user may not connect; or as `start`.
    """
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        channel.connect(path)
    except PermissionError as error:
        raise NotPermittedError(
            f"helper {path}: this user may not connect; run the agent by its systemd unit"
        ) from error
    except OSError as error:
        raise UnavailableError(f"helper {path}: {error.strerror}; is gosonde-helper.socket started?") from error
    return _joined(channel, None)


def _joined(channel: socket.socket, process: "subprocess.Popen[bytes] | None") -> Helper:
    channel.settimeout(STARTING_SECONDS)
    try:
        message, descriptors, _, _ = socket.recv_fds(channel, MOST_BYTES, MOST_DESCRIPTORS)
    except OSError as error:
        raise UnavailableError(f"the agent's helper did not start: {error}") from error
    answer = json.loads(message) if message else {}
    for kind in ERRORS:
        if answer.get("error") == kind.__name__:
            raise kind(answer["message"])
    if not descriptors:
        raise UnavailableError("the agent's helper ended before it could say why; see its log")
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    names = answer["maps"]
    channels = [socket.socket(fileno=descriptor) for descriptor in descriptors[len(names) :]]
    client = HelperClient(channel, channels)
    maps = dict(zip(names, descriptors, strict=False))
    probes = HelpedProbes(maps, answer["together"], answer["origin"], answer["compiled_because"], helper=client)
    # Who made the channels: the one that waits at a socket of systemd's has systemd at the socket's other end.
    return Helper(client, probes, answer["no_probes_because"], _peer(channels[0]), channel.fileno(), process)


def without_privileges(helper: Helper) -> None:
    """Gives up every privilege of this process, for good, and has it open files of others through the helper.

    Where the kernel lets nobody else use maps it keeps CAP_BPF, if it has it.

    Call it before any library starts a thread: capabilities and filters belong to threads.

    Raises:
        NotPermittedError: The kernel refuses, or there is another thread.
    """
    privileges.check_alone()
    some_map = next(iter(helper.probes.descriptors.values()), -1)
    privileges.drop_all(keep_bpf=some_map >= 0 and privileges.maps_need_bpf(some_map))
    seccomp.install(seccomp.AGENT)
    access.use(helper.client)


def main(fd: int, folder: str | None, *, as_json: bool = False) -> None:
    """Runs a helper for whoever has the other end of the socket `fd`, until that ends; `folder` keeps the probes."""
    log = HelperLog(as_json or not sys.stderr.isatty())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when the agent has ended
    with socket.socket(fileno=fd) as main_channel:
        try:
            probes, because = _loaded(Path(folder) if folder else None)
            kept = privileges.drop(keep_admin=not because and privileges.uprobes_need_admin())
            privileges.hide()
            channels = _answering(probes, _peer(main_channel), Refusals(log))
            seccomp.install(seccomp.HELPER)
        except ERRORS as error:
            answer = {"error": type(error).__name__, "message": str(error)[: MOST_BYTES // 8]}
            main_channel.send(_line(answer))
            return
        maps = {} if because else shared(probes)
        hello = {
            "maps": list(maps),
            "together": probes.together,
            "origin": probes.origin,
            "compiled_because": probes.compiled_because,
            "no_probes_because": because[: MOST_BYTES // 8],
        }
        descriptors = [*maps.values(), *channels]
        socket.send_fds(main_channel, [_line(hello)], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        log.write("helper ready", "info", capabilities=sorted(kept))
        main_channel.recvmsg(1)  # nothing ever comes here but the end


def _loaded(folder: Path | None) -> tuple[Probes, str]:
    """(the loaded probes, ""), or (none, why none can be placed): the agent works without them as well as it can.

    Raises:
        UnavailableError: The host is too busy to compile them.
    """
    for what, trial in NEEDED:  # before anything is compiled
        try:
            trial()
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or error
            return Probes({}), f"the agent {what}: {said}; `gosonde doctor` says what is missing"
    try:
        return load_probes(folder), ""
    except (NotPermittedError, OldKernelError, ProbeError) as error:
        return Probes({}), str(error)


def _peer(channel: socket.socket) -> int:
    """The process at the other end."""
    return int.from_bytes(channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], sys.byteorder)


def _answering(probes: Probes, asker: int, refusals: Refusals) -> list[int]:
    """The agent's ends of channels, at each of which a thread answers."""
    answers = helper_answers.Answers(
        access.Direct(asker), probes, AT_UPROBES, AT_TRACEPOINTS, asker, hold=Holding().hold
    )
    pace = helper_answers.Pace()
    ends = []
    for _ in range(CHANNELS):
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        Thread(target=helper_answers.serve, args=(here, answers, pace, refusals), daemon=True).start()
        ends.append(there.detach())
    return ends


def _line(answer: Mapping[str, object]) -> bytes:
    return json.dumps(answer).encode()
