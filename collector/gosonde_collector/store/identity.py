"""Numbers for things that strings identify, so that the long tables stay narrow."""

import hashlib

from gosonde_collector.model.values import ProcessKey, Stream


def process_number(stream: Stream, key: ProcessKey) -> int:
    """A positive 63-bit number of one process image as one run of an agent counts it; the same wherever computed."""
    parts = (
        stream.agent_id,
        stream.agent_epoch,
        stream.host,
        key.boot_id,
        key.pid,
        key.start_ticks,
        key.exec_epoch,
    )
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1
