"""About how old the goroutines of a site are, by a snapshot that was read from memory."""

from gosonde_common.values.ages import Ages, AgesByGoid

from gosonde_collector.analysis.matching import goroutines_of
from gosonde_collector.analysis.steps import SECOND
from gosonde_collector.store.records import Series, Snapshot


def ages_by_goid(snapshot: Snapshot, series: Series) -> AgesByGoid:
    """What the waits of all goroutines of the snapshot say; a wait of less than a second counts as not noted."""
    noted = [(goid, group.wait_s * SECOND) for group in snapshot.profile.groups if group.wait_s for goid in group.goids]
    return AgesByGoid(noted, max(snapshot.taken_unix_nano - series.process.started_unix_nano, 0))


def ages_of(snapshot: Snapshot, series: Series) -> Ages:
    """The ages of the goroutines of the series' site."""
    goids = [goid for group in goroutines_of(snapshot.profile, series.site) for goid in group.goids]
    return ages_by_goid(snapshot, series).of(goids)
