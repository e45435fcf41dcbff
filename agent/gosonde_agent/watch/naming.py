"""Gives containers of watched processes the names that somebody else knows, as soon as that one answers."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from gosonde_common.errors import UnavailableError

from gosonde_agent.accounting.processes import Processes
from gosonde_agent.discovery import named
from gosonde_agent.discovery.containers import with_names
from gosonde_agent.model.container_names import ContainerNames
from gosonde_agent.watch.running import Running, first_of

#: Between two looks at processes without names.
AGAIN_SECONDS: Final = 2.0


class Naming:
    """Asks in a thread of its own: an answer may take seconds, and no observation waits for it."""

    def __init__(self, processes: Processes, running: Running) -> None:
        self._processes = processes
        self._running = running

    async def run(self) -> None:
        """Until the run stops."""
        desk, stopping = self._running.desk, self._running.stopping
        while not stopping.is_set():
            if nameless := await desk.do(partial(nameless_of, self._processes)):
                found = await asyncio.to_thread(asked, nameless)
                await desk.do(partial(note, self._processes, found))
            await first_of(stopping, seconds=AGAIN_SECONDS)


def nameless_of(processes: Processes) -> frozenset[str]:
    """The ids of the containers of processes that have no names yet."""
    containers = (process.description.container for process in processes if not process.has_ended)
    return frozenset(container.id for container in containers if container.id and not container.namespace)


def asked(container_ids: Collection[str]) -> dict[str, ContainerNames]:
    """The names that are known by now, by container id: those that have none of Kubernetes are not asked for again."""
    found = {}
    for container_id in sorted(container_ids):
        try:
            names = named.current().names(container_id)
        except UnavailableError:
            continue  # others may be known, and whoever does not answer is not asked again at once
        if names:
            found[container_id] = names
    return found


def note(processes: Processes, found: Mapping[str, ContainerNames]) -> None:
    """Reports the names from now on, also of what has ended meanwhile and is not reported yet."""
    for process in processes:
        container = process.description.container
        if container.id in found:
            named_now = with_names(container, found[container.id])
            process.description = replace(process.description, container=named_now)
