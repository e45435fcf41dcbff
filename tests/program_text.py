"""The code of a running program, compared with its file."""

from pathlib import Path


def changed(pid: int) -> list[int]:
    """The addresses, in the process, of all bytes of its executable's code that are not those of the file."""
    file = Path(f"/proc/{pid}/exe").read_bytes()
    path = str(Path(f"/proc/{pid}/exe").readlink())
    differing: list[int] = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for start, end, offset in _code(pid, path):
            expected = file[offset : offset + end - start]
            memory.seek(start)
            there = memory.read(len(expected))
            assert len(there) == len(expected), "the code cannot be read in one piece"
            if there != expected:
                differing += [start + i for i, (is_, was) in enumerate(zip(there, expected, strict=True)) if is_ != was]
    return differing


def _code(pid: int, path: str) -> list[tuple[int, int, int]]:
    """(start, end, offset in the file) of each executable mapping of the file; there is at least one."""
    mappings = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        addresses, access, offset, _device, _inode, *name = line.split(maxsplit=5)
        if "x" in access and name == [path]:
            start, end = (int(address, 16) for address in addresses.split("-"))
            mappings.append((start, end, int(offset, 16)))
    assert mappings, f"process {pid} maps no code of {path}"
    return mappings
