"""What the kernel knows of a file."""

import os
from pathlib import Path

from gosonde_agent.golang.binary import FileIdentity
from gosonde_agent.host import files, procfs


def test_it_is_the_same_that_the_file_system_tells(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    fd = os.open(path, os.O_RDONLY)
    told, found = os.fstat(fd), files.status(fd)
    assert (found.device, found.inode, found.size) == (told.st_dev, told.st_ino, 7)
    assert (found.modified_ns, found.changed_ns) == (told.st_mtime_ns, told.st_ctime_ns)
    assert (found.links, found.owner) == (1, os.getuid())
    path.unlink()
    assert files.status(fd).links == 0
    os.close(fd)


def test_a_program_is_known_without_opening_it() -> None:
    program = procfs.program(os.getpid())
    with procfs.executable(os.getpid()) as (fd, path):
        assert FileIdentity.from_status(program.status) == FileIdentity.of(fd)
        assert program.path == path
    assert program.user == os.getuid()
