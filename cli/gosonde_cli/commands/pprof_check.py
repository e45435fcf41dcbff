"""What the pprof handlers of a process show, and to whom; each request is one that costs the process nothing."""

import contextlib
import http.client
import ipaddress
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gosonde_common.addresses import HOST_PORT
from gosonde_common.errors import GosondeError, NotFoundError, UsageError

from gosonde_cli import here
from gosonde_cli.commands.path_check import Step
from gosonde_cli.importing import needing

if TYPE_CHECKING:
    from gosonde_agent.host.tcp_sockets import TcpSocket
    from gosonde_agent.sources.memory.profile_rates import ProfileRates

PATH = "/debug/pprof"
SECONDS = 3.0
#: Of an answer that is read.
MOST_BYTES = 64 << 10
#: Ports of a process that are asked.
MOST_PLACES = 16
#: What an index of net/http/pprof links to.
LINK = re.compile(r"""href=['"]([a-z]{1,40})\?debug=""")
#: Profiles that are named.
MOST_SHOWN = 20
LOOPBACK = "listen on 127.0.0.1 only, or put a server with a credential before it"
GUARD = "wrap the handlers with a check of a credential, and do not import net/http/pprof for its side effect"
CHEAPER = "sample more rarely: SetBlockProfileRate(1e6), SetMutexProfileFraction(100), MemProfileRate 524288"
OK, _GUARDED = 200, frozenset({401, 403})
#: Below it, an allocation, blocking event or lock in every few is recorded with its stack.
LEAST_BYTES, LEAST_TICKS, LEAST_FRACTION = 16 << 10, 10_000, 5


@dataclass(frozen=True, slots=True)
class Place:
    """A port that is looked at.

    Attributes:
        host: Where it is asked.
        port: Its number.
        bound: The addresses that it listens at; empty for another host's.
        pid: Who listens there; 0 where that is not known.
    """

    host: str
    port: int
    bound: Sequence[str]
    pid: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status, and the beginning of its body."""

    status: int
    text: str


def pprof_steps(target: str) -> list[Step]:
    """What is found, in the order of docs/doctor.md.

    Args:
        target: HOST:PORT, or a process id.

    Raises:
        UsageError: It is neither.
        NotFoundError: The process does not listen anywhere.
        GosondeError: The process is not there, or may not be looked at.
    """
    places = _places(target)
    answers = [(place, _ask(place, "/")) for place in places]
    for place, answer in answers:
        if isinstance(answer, Answer) and (answer.status in _GUARDED or LINK.search(answer.text)):
            return list(_described(place, answer))
    said = "; ".join(f"{place.host}:{place.port}: {_said(answer)}" for place, answer in answers)
    is_there = any(isinstance(answer, Answer) for _, answer in answers)
    remedy = "" if is_there else f"give the address of a server that speaks HTTP; handlers are looked for at {PATH}/"
    return [Step("handlers", ok=is_there, found=f"no handlers at {PATH}/: {said}", remedy=remedy)]


def _said(answer: "Answer | str") -> str:
    return answer if isinstance(answer, str) else f"answers {answer.status}"


def _places(target: str) -> list[Place]:
    with needing("agent"):
        from gosonde_agent.host import listening  # noqa: PLC0415  # some hosts have no agent
    if match := HOST_PORT.fullmatch(target):
        host, port = match["six"] or match["name"], int(match["port"])
        if port > 65_535:
            raise UsageError(f"{port} is no port")
        ends = [end for end in listening.listeners_at(port) if _answers(end, host)]
        pid = listening.owner_of(ends[0].inode) if ends else 0
        return [Place(host, port, tuple(sorted(str(end.address) for end in ends)), pid)]
    if not target.isascii() or not target.isdecimal():
        raise UsageError(f"{target!r} is neither HOST:PORT nor a process id")
    pid = here.pid_of(target)
    found = [Place(_asked_at(end), end.port, (str(end.address),), pid) for end in listening.places_of(pid)]
    if not found:
        raise NotFoundError(f"process {pid} does not listen at any TCP port")
    return found[:MOST_PLACES]


def _answers(end: "TcpSocket", host: str) -> bool:
    """Whether connections to a host's name or address may be this socket's."""
    if host == "localhost":
        return end.address.is_loopback or end.address.is_unspecified
    try:
        wanted = ipaddress.ip_address(host)
    except ValueError:
        return False
    return end.address == wanted or (end.address.is_unspecified and wanted.is_loopback)


def _asked_at(end: "TcpSocket") -> str:
    if end.address.is_unspecified:
        return "::1" if end.address.version == 6 else "127.0.0.1"
    return str(end.address)


def _ask(place: Place, name: str) -> "Answer | str":
    """What the port answers; or why it does not."""
    connection = http.client.HTTPConnection(place.host, place.port, timeout=SECONDS)
    timer: threading.Timer | None = None
    try:
        connection.connect()
    except OSError as error:
        return f"takes no connection: {error.strerror or error}"
    try:
        # Whoever sends a byte now and then is not waited for.
        timer = threading.Timer(SECONDS, _cut, (connection.sock,))
        timer.start()
        connection.request("GET", f"{PATH}{name}", headers={"User-Agent": "gosonde"})
        response = connection.getresponse()
        return Answer(response.status, response.read(MOST_BYTES).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException) as error:
        return f"does not answer as HTTP ({type(error).__name__})"
    finally:
        if timer:
            timer.cancel()
        connection.close()


def _cut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _described(place: Place, index: Answer) -> Iterator[Step]:
    only_here = bool(place.bound) and all(ipaddress.ip_address(address).is_loopback for address in place.bound)
    is_open = index.status not in _GUARDED
    yield _reach(place, only_here=only_here, is_open=is_open)
    if is_open:
        yield _handlers(place, index)
        who = "any user of this host" if only_here else "whoever reaches it"
        found = f"it answers {who} without a credential"
        yield Step("credential", ok=only_here, found=found, remedy="" if only_here else GUARD)
    else:
        yield Step("credential", ok=True, found=f"without a credential it answers {index.status}")
    if place.pid:
        yield _rates(place.pid)


def _reach(place: Place, *, only_here: bool, is_open: bool) -> Step:
    if not place.bound:
        return Step("listens", ok=True, found=f"{place.host}:{place.port} is no address of this host")
    at = ", ".join(f"{_spelled(address)}:{place.port}" for address in place.bound)
    by = f" by process {place.pid}" if place.pid else ""
    if only_here:
        return Step("listens", ok=True, found=f"at {at}{by}: this host alone reaches it")
    found = f"at {at}{by}: other hosts reach it, unless a firewall is before it"
    return Step("listens", ok=not is_open, found=found, remedy=LOOPBACK if is_open else "")


def _spelled(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _handlers(place: Place, index: Answer) -> Step:
    shown = ", ".join(sorted(set(LINK.findall(index.text)))[:MOST_SHOWN])
    command_line = _ask(place, "/cmdline")
    more = "; it shows the command line" if isinstance(command_line, Answer) and command_line.status == OK else ""
    return Step("handlers", ok=True, found=f"{PATH}/ lists {shown}{more}")


def _rates(pid: int) -> Step:
    from gosonde_agent.sources.memory.profile_rates import profile_rates  # noqa: PLC0415  # some hosts have no agent

    try:
        rates = profile_rates(pid)
    except GosondeError as error:
        return Step("rates", ok=True, found=f"not known: {error}")
    cheap = not _is_dear(rates)
    found = (
        f"memory: {_rate(rates.memory_bytes, 'one sample in {} bytes')}, "
        f"block: {_rate(rates.block_ticks, 'one sample in {} ticks of the CPU')}, "
        f"mutex: {_rate(rates.mutex_fraction, 'one sample in {} contended locks')}"
    )
    return Step("rates", ok=cheap, found=found, remedy="" if cheap else CHEAPER)


def _is_dear(rates: "ProfileRates") -> bool:
    return (
        0 < rates.memory_bytes < LEAST_BYTES
        or 0 < rates.block_ticks < LEAST_TICKS
        or 0 < rates.mutex_fraction < LEAST_FRACTION
    )


def _rate(value: int, text: str) -> str:
    return text.format(value) if value else "off"
