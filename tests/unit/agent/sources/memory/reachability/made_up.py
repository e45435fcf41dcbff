"""A runtime that a test makes up in its own memory: types, channels, objects; read as another process's would be."""

import ctypes
import os
import struct
from dataclasses import fields, replace
from typing import Any

import numpy as np
from gosonde_agent.golang.buildinfo import parse_version
from gosonde_agent.golang.layouts import layout_of
from gosonde_agent.golang.pclntab import Function
from gosonde_agent.sources.memory.proof import Addresses
from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_agent.sources.memory.runtime import Runtime

SIZE = 1 << 16
TYPES, TYPES_END = 0x1000, 0x8000
TYPE_BYTES = 48
NOTHING = Addresses("made up", 0, 0, 0, 0, 0, 0, 0, 0, (0, 0))


class MadeUp:
    """Bytes at known addresses: moduledata, then types; objects are where a test puts them, from TYPES_END on."""

    def __init__(self) -> None:
        self._bytes = ctypes.create_string_buffer(SIZE)
        self.base = (ctypes.addressof(self._bytes) + 15) & ~15
        self._memory = ProcessMemory(os.getpid())
        layout = layout_of(parse_version("go1.27.3"))
        self.layout = replace(layout, structures=layout.structures)
        self.runtime = Runtime(self._memory, 0, NOTHING, self.layout)
        at = self.layout.fields("moduledata")
        self.put(at["types"], self.base + TYPES)
        self.put(at["etypes"], self.base + TYPES_END)
        self._next = TYPES + 16

    def close(self) -> None:
        """Closes the memory."""
        self._memory.__exit__(None, None, None)

    def put(self, offset: int, *words: int) -> int:
        """Writes words, and returns where."""
        data = struct.pack(f"<{len(words)}Q", *words)
        ctypes.memmove(self.base + offset, data, len(data))
        return self.base + offset

    def put_bytes(self, offset: int, data: bytes) -> int:
        """Writes bytes, and returns where."""
        ctypes.memmove(self.base + offset, data, len(data))
        return self.base + offset

    def name(self, text: str) -> int:
        """Adds an abi.Name, and returns its address."""
        data = text.encode()
        length = bytes([len(data)]) if len(data) < 0x80 else bytes([len(data) & 0x7F | 0x80, len(data) >> 7])
        return self._add(b"\0" + length + data)

    def type(self, name: str, kind: int, size: int, *more: int, flags: int = 0, offset: int | None = None) -> int:
        """Adds an abi.Type with the words behind it, and returns its address; `offset` says where its name is."""
        at = self.name(name) - self.base - TYPES if offset is None else offset
        head = struct.pack("<QQIBBBBQQiI", size, 0, 7, flags, 8, 8, kind, 0, 0, at, 0)
        return self._add(head + struct.pack(f"<{len(more)}Q", *more) + bytes(32))

    def struct(self, name: str, size: int, *members: tuple[str, int, int]) -> int:
        """Adds a struct of (name, type, offset)."""
        rows = b"".join(struct.pack("<QQQ", self.name(field), of, offset) for field, of, offset in members)
        return self.type(name, 25, size, 0, self._add(rows), len(members), len(members))

    def _add(self, data: bytes) -> int:
        here = self._next
        self._next = (here + len(data) + 15) & ~15
        assert self._next < TYPES_END
        return self.put_bytes(here, data)


class Functions:
    """Stands for the table of functions of a program that a test makes up."""

    def __init__(self, *functions: Function) -> None:
        self._functions = functions

    def function_of(self, pc: int) -> Function | None:
        """The one whose code has an address."""
        return next((found for found in self._functions if found.entry <= pc < found.end), None)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nothing asks for {name}")


def no_goroutines() -> Goroutines:
    """A table without rows."""
    columns: dict[str, Any] = {field.name: np.zeros(0, np.uint64) for field in fields(Goroutines)}
    return Goroutines(**columns)
