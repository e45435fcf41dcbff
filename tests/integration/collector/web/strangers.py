"""A collector with a leak of a process in which everything is named by strangers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gosonde.collector_client import CollectorClient
from gosonde_pb.v1 import model_pb2

from tests import web_page
from tests.collector_process import AgentStream, CollectorProcess, eventually, leak
from tests.hostile_text import SENDABLE
from tests.integration.whole.foreign_processes import HOST, hostile

MARKUP = '"><script>document.title = "owned"</script><img src=x onerror="document.title = \'owned\'">'


@contextmanager
def leaking(folder: Path) -> Iterator[tuple[str, CollectorClient]]:
    """The address of its web page, and a client of it, once the leak is found."""
    address, flags = web_page.configured(folder)
    with CollectorProcess(folder, *map(str, flags)) as collector, collector.client() as client:
        with AgentStream(collector.address, host=HOST) as agent:
            for sequence, seen in enumerate(leak(seconds=50, per_second=50), 1):
                agent.observe(sequence, marked_up(seen))
            assert eventually(client, "opened", live=2_500)
        yield address, client


def marked_up(seen: model_pb2.Observation) -> model_pb2.Observation:
    """As `hostile`, and markup in every name."""
    seen = hostile(seen)
    for process in seen.processes:
        process.exe = f"/srv/{MARKUP}{SENDABLE}"
    for names in (seen.site_names.function, seen.site_names.file, seen.site_names.start_function):
        names[:] = [f"{MARKUP}{name}" for name in names]
    for path in seen.holders.path:
        path.steps[:] = [MARKUP, SENDABLE]
    return seen
