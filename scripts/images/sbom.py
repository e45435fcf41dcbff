"""What an image consists of, as CycloneDX: Debian's packages, Python's, and the scripts of the web page."""

import re
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL


def of_root(root: Path, name: str, version: str, epoch: int) -> str:
    """The document, as JSON; equal roots have equal ones.

    Args:
        root: The image's root.
        name: The image's.
        version: gosonde's.
        epoch: Its time, in seconds since 1970.

    Raises:
        subprocess.CalledProcessError: The root has no database of packages.
    """
    libraries = root / "usr/lib" / name / "lib/gosonde/python"
    components = [*_debian(root), *_python(libraries), *_scripts(libraries)]
    image = Component(name=name, version=version, type=ComponentType.CONTAINER, bom_ref=name)
    bom = Bom(components=components)
    bom.metadata.component = image
    bom.register_dependency(image, components)
    bom.metadata.timestamp = datetime.fromtimestamp(epoch, UTC)
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, f"gosonde/{name}/{version}/{epoch}")
    return JsonV1Dot6(bom).output_as_string(indent=1)


def _component(kind: str, namespace: str | None, name: str, version: str) -> Component:
    url = PackageURL(kind, namespace, name, version)
    return Component(name=name, version=version, purl=url, bom_ref=str(url), type=ComponentType.LIBRARY)


def _debian(root: Path) -> Iterator[Component]:
    command = ("dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show", "--showformat=${Package} ${Version}\n")
    for line in subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
        name, version = line.split()
        yield _component("deb", "debian", name, version)


def _python(libraries: Path) -> Iterator[Component]:
    for found in sorted(distributions(path=[str(libraries)]), key=lambda found: found.name):
        yield _component("pypi", None, found.name.lower().replace("_", "-"), found.version)


def _scripts(libraries: Path) -> Iterator[Component]:
    """Libraries of others among the scripts of the web page: their first line names them."""
    for path in sorted(libraries.glob("gosonde_collector/web/static/*.min.js")):
        found = re.search(r"/([A-Za-z]+) \(v([0-9.]+)\)", path.read_text()[:200])
        if not found:
            raise ValueError(f"{path.name} does not say its name and version in its first line")
        yield _component("npm", None, found[1].lower(), found[2])
