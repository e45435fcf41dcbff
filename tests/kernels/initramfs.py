"""What a kernel unpacks and runs first: busybox, and the modules that it takes to read the disks of the machine."""

import gzip
import lzma
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

#: Whichever of these is built into the kernel is no module.
WANTED = ("virtio_pci", "virtio_blk", "virtio_rng", "crc32c_generic", "crc32c_intel", "ext4")
SCRIPT = Path(__file__).with_name("init.sh")
PACKED: Mapping[str, Callable[[bytes], bytes]] = {".xz": lzma.decompress, ".ko": bytes}


def make(kernel: Path, busybox: Path) -> Path:
    """The file for an unpacked kernel, kept beside it.

    Raises:
        LookupError: The kernel has no modules, or they are packed in an unknown way.
        subprocess.CalledProcessError: depmod or cpio failed; its own message is on stderr.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("bin", "dev", "modules", "proc", "sys", "root"):
            (folder / part).mkdir()
        shutil.copy(busybox, folder / "bin/busybox")
        shutil.copy(SCRIPT, folder / "init")
        _copy_modules(kernel, folder / "modules")
        files = "\n".join(str(path.relative_to(folder)) for path in sorted(folder.rglob("*")))
        packed = subprocess.run(
            ("cpio", "--create", "--format=newc", "--quiet"),
            cwd=folder,
            input=files.encode(),
            capture_output=True,
            check=True,
        )
    made = kernel / "initramfs"
    made.write_bytes(gzip.compress(packed.stdout, 1))
    return made


def _copy_modules(kernel: Path, folder: Path) -> None:
    """In the order in which they are to be loaded, which is that of their names."""
    modules = _modules_of(kernel)
    for number, module in enumerate(_in_order(_dependencies(modules))):
        path = modules / module
        if path.suffix not in PACKED:
            raise LookupError(f"{path} is packed in an unknown way")
        content = PACKED[path.suffix](path.read_bytes())
        (folder / f"{number:02}-{path.name.partition('.')[0]}.ko").write_bytes(content)


def _modules_of(kernel: Path) -> Path:
    for place in ("lib/modules", "usr/lib/modules"):
        if found := sorted((kernel / place).glob("*/kernel")):
            return found[0].parent
    raise LookupError(f"{kernel} has no modules")


def _dependencies(modules: Path) -> Mapping[str, Sequence[str]]:
    """Files of modules that each needs, by its own file; both relative to their folder."""
    subprocess.run(("depmod", "-b", modules.parents[2], modules.name), check=True)
    lines = (line.partition(":") for line in (modules / "modules.dep").read_text().splitlines())
    return {file: needed.split() for file, _, needed in lines}


def _in_order(dependencies: Mapping[str, Sequence[str]]) -> Sequence[str]:
    files = {Path(file).name.partition(".")[0].replace("-", "_"): file for file in dependencies}
    order: dict[str, None] = {}
    for module in WANTED:
        if module in files:
            # depmod names all that a module needs, what is to be loaded first at the end.
            order |= dict.fromkeys((*reversed(dependencies[files[module]]), files[module]))
    return tuple(order)
