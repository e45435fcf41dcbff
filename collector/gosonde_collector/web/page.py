"""The web page, put together."""

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.config import CollectorConfig
from gosonde_collector.ingest.access import Access
from gosonde_collector.model.worker import Worker
from gosonde_collector.snapshots.elsewhere import Snapshots
from gosonde_collector.store.protocol import Store
from gosonde_collector.telemetry.counters import Telemetry
from gosonde_collector.telemetry.own_acts import OwnActs
from gosonde_collector.web.app import application
from gosonde_collector.web.asking import Asking
from gosonde_collector.web.finding_page import FindingPage
from gosonde_collector.web.findings_page import FindingsPage
from gosonde_collector.web.fleet_page import FleetPage
from gosonde_collector.web.gate import Gate
from gosonde_collector.web.muting import Muting
from gosonde_collector.web.process_changes import ProcessChanges
from gosonde_collector.web.process_page import ProcessPage
from gosonde_collector.web.rendering import Pages
from gosonde_collector.web.server import WebServer
from gosonde_collector.web.snapshot_forms import SnapshotForms
from gosonde_collector.web.snapshots_page import SnapshotsPage


def serve(
    config: CollectorConfig,
    access: Access,
    store: Store,
    analyst: Analyst,
    telemetry: Telemetry,
    *,
    worker: Worker,
    snapshots: Snapshots,
    acts: OwnActs,
) -> WebServer:
    """Serves the page from now on, in a thread of its own; `worker` asks the store and makes the pages, `snapshots`
    are asked for in its event loop, and `acts` are noted.

    Raises:
        UnavailableError: The address cannot be listened on.
        UnsupportedError: This user may not listen on such a port.
        UsageError: The certificate and the key cannot be used.
    """
    pages, gate, asking = Pages(), Gate(config, access), Asking(snapshots)
    findings = FindingsPage(worker, analyst, telemetry.newest, pages, gate)
    finding = FindingPage(worker, store, analyst, telemetry.newest, pages, gate=gate, asked=asking)
    fleet = FleetPage(worker, store, analyst, telemetry.newest, pages, gate=gate)
    renewed = ProcessChanges(worker, fleet.known, analyst, asking, gate=gate)
    process = ProcessPage(worker, store, analyst, asking, pages, changes=renewed, gate=gate)
    app = application(
        gate,
        pages,
        telemetry,
        findings=findings,
        finding=finding,
        fleet=fleet,
        process=process,
        snapshots=SnapshotsPage(worker, store, analyst, pages, gate=gate),
        process_changes=renewed,
        muting=Muting(worker, analyst, gate, acts),
        taking=SnapshotForms(worker, store, analyst, asking, gate),
    )
    return WebServer(config, app)
