"""One observation as compressed bytes, for the disk."""

import zlib

from google.protobuf.message import DecodeError
from gosonde_common.errors import InvalidInputError
from gosonde_common.values.observation import Observation
from gosonde_common.wire import observations
from gosonde_pb.v1 import model_pb2

from gosonde_agent.wire import encoding

#: Nothing is inflated beyond this: the bytes were ours, but a disk may have garbled them.
MAX_BYTES = 256 << 20
#: Fast: names repeat, and even the least effort takes them to a tenth.
LEVEL = 1


def pack(observation: Observation) -> bytes:
    """The observation with all its names.

    Raises:
        ValueError: As `encoding.encode`.
    """
    return zlib.compress(encoding.encode(observation).SerializeToString(), LEVEL)


def unpack(content: bytes) -> Observation:
    """What `pack` made.

    Raises:
        InvalidInputError: It did not make these bytes.
    """
    try:
        inflater = zlib.decompressobj()
        message = model_pb2.Observation.FromString(inflater.decompress(content, MAX_BYTES))
    except (zlib.error, DecodeError) as error:
        raise InvalidInputError(f"not a stored observation: {error}") from error
    if not inflater.eof:
        raise InvalidInputError("not a stored observation: it is cut off or too large")
    return observations.decode(message)
