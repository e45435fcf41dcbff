"""An ordinary user runs the collector's image as docs/install.md says, without sudo."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.booted_system import eventually
from tests.ordinary_user import UID, OrdinaryUser
from tests.podman import MARKS, Podman, documented

pytestmark = MARKS


@pytest.fixture
def podman(built: Path) -> Iterator[Podman]:
    """The user's, with the collector's image."""
    with OrdinaryUser() as user:
        podman = Podman(*user.command("podman"))
        (archive,) = built.glob("gosonde-collector_*.oci.tar")
        with archive.open("rb") as file:
            podman.run("load", "--quiet", stdin=file)
        yield podman
        podman.forget()
        # It ends the process that holds the user's namespaces.
        podman.run("system", "migrate")


def test_a_collector_of_an_ordinary_user_answers_and_is_neither_root_nor_the_user_on_the_host(podman: Podman) -> None:
    (command,) = (command for command in documented() if "gosonde-collector" in command)
    podman.run(*command)
    eventually(
        lambda: podman.run("exec", "gosonde-collector", "gosonde", "findings", "--json", check=False), "it answers"
    )
    status = Path(f"/proc/{podman.run('inspect', '--format={{.State.Pid}}', 'gosonde-collector').strip()}/status")
    (owner,) = {line.split()[1] for line in status.read_text().splitlines() if line.startswith("Uid:")}
    assert int(owner) not in {0, UID}
    assert "\nCapEff:\t0000000000000000\n" in status.read_text()
