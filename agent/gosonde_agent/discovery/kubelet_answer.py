"""What a kubelet answers: its list of pods, within a time and a size.

Imports OpenSSL, which an agent does without that asks no kubelet: import it late.
"""

import http.client
import re
import ssl
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from gosonde_common.addresses import HOST_PORT
from gosonde_common.errors import GosondeError, InvalidInputError, UnavailableError

from gosonde_agent.discovery.kubelet_place import KubeletPlace
from gosonde_agent.host.threads import within

PODS: Final = "/pods"
#: From the first packet to the last byte. A kubelet answers within a tenth of it.
ANSWER_SECONDS: Final = 2.0
#: A node with 250 pods has some four million.
MOST_BYTES: Final = 16 << 20
MOST_TOKEN_BYTES: Final = 64 << 10
PIECE_BYTES: Final = 1 << 16
TOKEN: Final = re.compile(rb"[A-Za-z0-9._~+/=-]+")
REFUSED: Final = {401: "the token is not known there", 403: "the token's account may not get nodes/pods or nodes/proxy"}


def fetched(of: KubeletPlace) -> bytes:
    """The kubelet's list of pods.

    Raises:
        UnavailableError: It gives none, or not within ANSWER_SECONDS, or a file cannot be read; says why.
        InvalidInputError: It has more than MOST_BYTES bytes.
    """

    def ask() -> bytes | GosondeError:
        try:
            return _asked(of, time.monotonic() + ANSWER_SECONDS)
        except (OSError, http.client.HTTPException) as error:
            return UnavailableError(f"{of.address}: {error or type(error).__name__}")
        except GosondeError as error:
            return error

    # Names of hosts are looked up without a limit of our own.
    answer = within(ANSWER_SECONDS, ask)
    if isinstance(answer, GosondeError):
        raise answer
    if answer is None:
        raise UnavailableError(f"{of.address}: no whole answer within {ANSWER_SECONDS:.0f} s")
    return answer


def _asked(of: KubeletPlace, until: float) -> bytes:
    connection = _connection(of)
    headers = {"Accept": "application/json"}
    if of.token:
        headers["Authorization"] = f"Bearer {_token(of.token)}"
    with closing(connection):
        connection.request("GET", PODS, headers=headers)
        with connection.getresponse() as response:
            if response.status != http.client.OK:
                why = REFUSED.get(response.status, "that is no list of pods")
                raise UnavailableError(f"{of.address}: status {response.status}: {why}")
            return _read(of, response, until)


def _connection(of: KubeletPlace) -> http.client.HTTPConnection:
    match = HOST_PORT.fullmatch(of.address)
    host, port = (match["six"] or match["name"], int(match["port"])) if match else ("", 0)
    if of.ca is None:
        return http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    # Certificates are read each time: they are replaced while the agent runs, as the token is.
    try:
        context = ssl.create_default_context(cafile=str(of.ca))
    except OSError as error:
        raise UnavailableError(f"{of.ca}: cannot be read as certificates: {error}") from error
    # Strict since Python 3.13: certificates that clusters make for their nodes lack the authority's key identifier.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return http.client.HTTPSConnection(host, port, timeout=ANSWER_SECONDS, context=context)


def _token(path: Path) -> str:
    with path.open("rb") as file:
        text = file.read(MOST_TOKEN_BYTES + 1).strip()
    if len(text) > MOST_TOKEN_BYTES or not TOKEN.fullmatch(text):
        raise UnavailableError(f"{path}: this is no token")
    return text.decode()


def _read(of: KubeletPlace, response: http.client.HTTPResponse, until: float) -> bytes:
    pieces, size = [], 0
    while piece := response.read1(PIECE_BYTES):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise InvalidInputError(f"{of.address}: the answer has more than {MOST_BYTES:,} bytes")
        if time.monotonic() > until:
            raise UnavailableError(f"{of.address}: no whole answer within {ANSWER_SECONDS:.0f} s")
    if response.length:
        raise UnavailableError(f"{of.address}: the answer ends {response.length:,} bytes too early")
    return b"".join(pieces)
