"""Compiled probes as a value: what the compiler made of the source, and all that the kernel needs of it.

Instructions name maps by descriptors, which are those of one process. Here they name them by name, so that the same
object can be loaded by any process, at any time, without a compiler.
"""

import base64
import json
import os
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from gosonde_agent.host import bpf
from gosonde_agent.model.errors import ProbeError

#: Largest object that is read or taken from the compiling process.
MOST_BYTES = 4 << 20
#: As the kernel bounds them for those who have its privileges: instructions of a program.
_MOST_INSTRUCTIONS = 1_000_000
INSTRUCTION_BYTES = 8
#: BPF_LD | BPF_IMM | BPF_DW, the instruction that loads 64 bits, and the source register that makes them a map.
_LOAD_64, _PSEUDO_MAP_FD = 0x18, 1

Shape = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Program:
    """One program.

    Attributes:
        kind: The kernel's enum bpf_prog_type.
        code: Its instructions, with 0 where the descriptor of a map belongs.
        maps: Where that is, as the number of the instruction, and the map's name.
    """

    kind: int
    code: bytes
    maps: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Compiled:
    """All maps, by name, each as `bpf.map_shape` has it, and all programs."""

    maps: Mapping[str, Shape]
    programs: Mapping[str, Program]

    def load(self, *, together: bool) -> dict[str, int]:
        """Makes the maps and loads the programs: their descriptors, by name; `together` as in `loading.Probes`.

        Raises:
            NotPermittedError: Privileges are missing.
            ProbeError: The kernel refused one. Nothing stays open.
        """
        descriptors: dict[str, int] = {}
        try:
            for name, shape in self.maps.items():
                descriptors[name] = bpf.create_map(name, shape)
            for name, program in self.programs.items():
                own_link = together and program.kind == bpf.BPF_PROG_TYPE_KPROBE
                attach_type = bpf.BPF_TRACE_UPROBE_MULTI if own_link else 0
                code = _with_maps(program, descriptors)
                descriptors[name] = bpf.load_program(name, program.kind, code, attach_type)
        except BaseException:
            for descriptor in descriptors.values():
                os.close(descriptor)
            raise
        return descriptors

    def to_bytes(self) -> bytes:
        """As JSON."""
        programs = {
            name: asdict(program) | {"code": base64.b64encode(program.code).decode()}
            for name, program in self.programs.items()
        }
        return json.dumps({"maps": dict(self.maps), "programs": programs}).encode()


def from_bytes(content: bytes) -> Compiled:
    """What `to_bytes` made.

    Raises:
        ValueError: It is something else.
    """
    try:
        document = json.loads(content)
        maps = {str(name): _shape(shape) for name, shape in document["maps"].items()}
        programs = {str(name): _program(values, maps) for name, values in document["programs"].items()}
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"these are no compiled probes: {error!r}") from error
    return Compiled(maps, programs)


def program(kind: int, code: bytes, names: Mapping[int, str]) -> Program:
    """A program whose instructions name maps by descriptors. `names` are those of the maps, by descriptor.

    Raises:
        ProbeError: An instruction refers to something that is none of these maps.
    """
    bare = bytearray(code)
    maps: dict[int, str] = {}
    for number in _loads_of_64_bits(code):
        at = number * INSTRUCTION_BYTES
        _, registers, _, value = struct.unpack_from("<BBhi", code, at)
        kind_of_value = registers >> 4
        if kind_of_value == 0:
            continue
        if kind_of_value != _PSEUDO_MAP_FD or value not in names:
            raise ProbeError(f"instruction {number} of a probe refers to what is no map of the probes (loading.MAPS)")
        maps[number] = names[value]
        struct.pack_into("<i", bare, at + 4, 0)
    return Program(kind, bytes(bare), maps)


def _loads_of_64_bits(code: bytes) -> list[int]:
    """The numbers of the instructions that load 64 bits; each takes the place of two."""
    found: list[int] = []
    number = 0
    while number * INSTRUCTION_BYTES < len(code):
        wide = code[number * INSTRUCTION_BYTES] == _LOAD_64
        if wide:
            found.append(number)
        number += 2 if wide else 1
    return found


def _with_maps(program: Program, descriptors: Mapping[str, int]) -> bytes:
    code = bytearray(program.code)
    for number, name in program.maps.items():
        struct.pack_into("<i", code, number * INSTRUCTION_BYTES + 4, descriptors[name])
    return bytes(code)


def _shape(values: list[int]) -> Shape:
    kind, key_size, value_size, entries, flags = map(_u32, values)
    return kind, key_size, value_size, entries, flags


def _program(values: dict[str, object], known: Mapping[str, Shape]) -> Program:
    code, maps = base64.b64decode(str(values["code"]), validate=True), values["maps"]
    if not isinstance(maps, dict) or not set(maps.values()) <= known.keys():
        raise ValueError("a probe refers to a map that is not there")
    count, rest = divmod(len(code), INSTRUCTION_BYTES)
    if rest or not 0 < count <= _MOST_INSTRUCTIONS:
        raise ValueError(f"{len(code)} bytes are no instructions of a probe")
    places = {int(number): name for number, name in maps.items()}
    if not places.keys() <= set(_loads_of_64_bits(code)):
        raise ValueError("a probe refers to a map where no instruction loads one")
    return Program(_u32(values["kind"]), code, places)


def _u32(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value < 1 << 32:
        raise ValueError(f"{value!r} is no 32-bit number")
    return value
