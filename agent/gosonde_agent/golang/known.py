"""What was worked out of builds that were seen before: the same program in another container is known at once."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.layouts import Layout
from gosonde_agent.golang.pclntab_header import HEADER_SIZE, Header, Module
from gosonde_agent.golang.points import Points
from gosonde_agent.model.errors import MalformedBinaryError

#: Builds that are remembered: some 10 KB each.
MAX_KNOWN = 512
MODULEDATA_COMPARED = 192


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one build, and what of its file it rests on.

    Attributes:
        evidence: SHA-256 of parts of the file by (link-time address, size): the pclntab's header, the moduledata, and
            the code of every function that has a probe.
    """

    layout: Layout
    header: Header
    module: Module
    found: Points
    evidence: Mapping[tuple[int, int], bytes]


Key = tuple[str, int, bytes]


def key_of(image: ElfImage, build_id: str) -> Key:
    """What must be the same: build id, size of the file, digest of its headers."""
    return build_id, image.file_size, hashlib.sha256(image.head(4_096)).digest()


class KnownBinaries:
    """The facts of the builds that were seen last.

    A build id is what a file says of itself, and files belong to others: facts are used only where every byte that a
    proof rests on is the same, so that a file with a borrowed build id cannot bring probes into wrong places.
    """

    def __init__(self) -> None:
        self._facts: OrderedDict[Key, Facts] = OrderedDict()

    def get(self, image: ElfImage, build_id: str) -> Facts | None:
        """What is known of a file's build; None when it is not known, or when the file differs from what was seen."""
        facts = self._facts.get(key_of(image, build_id))
        if facts is None or any(digest(image, *place) != found for place, found in facts.evidence.items()):
            return None
        self._facts.move_to_end(key_of(image, build_id))
        return facts

    def add(self, image: ElfImage, build_id: str, facts: Facts) -> None:
        """Remembers a build; the one that was not used for longest goes when there are too many."""
        self._facts[key_of(image, build_id)] = facts
        if len(self._facts) > MAX_KNOWN:
            self._facts.popitem(last=False)

    def __len__(self) -> int:
        return len(self._facts)


def digest(image: ElfImage, vaddr: int, size: int) -> bytes:
    """SHA-256 of bytes of a file; empty where they lie outside."""
    try:
        return hashlib.sha256(image.read(vaddr, size)).digest()
    except MalformedBinaryError:
        return b""


def evidence_of(image: ElfImage, header: Header, module: Module, found: Points) -> dict[tuple[int, int], bytes]:
    """Digests of what the facts of a file rest on."""
    places = [(header.vaddr, HEADER_SIZE), (module.vaddr, MODULEDATA_COMPARED)]
    places += [(vaddr, len(code)) for vaddr, code in found.code.items()]
    return {place: digest(image, *place) for place in places}
