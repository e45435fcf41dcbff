"""About how old the goroutines of a process are, by a snapshot that was read from memory."""

from gosonde_common.values.ages import AgesByGoid

from gosonde_collector.analysis.steps import SECOND
from gosonde_collector.store.records import Series, Snapshot


def ages_by_goid(snapshot: Snapshot, series: Series) -> AgesByGoid:
    """What the waits of all goroutines of the snapshot say; a wait of less than a second counts as not noted."""
    noted = [(goid, group.wait_s * SECOND) for group in snapshot.profile.groups if group.wait_s for goid in group.goids]
    return AgesByGoid(noted, max(snapshot.taken_unix_nano - series.process.started_unix_nano, 0))
