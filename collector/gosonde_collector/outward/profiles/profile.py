"""A goroutine snapshot as servers of profiles want it: one stack per sample, and labels of its process."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from gosonde_common.foreign import shown
from gosonde_common.values.goroutines import Location
from gosonde_common.wire.profile import UNREAD, Alike, Sample, encode_samples

from gosonde_collector.evidence.model import Frame, GoroutineGroup
from gosonde_collector.model.values import Process, ProcessFilter
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import Snapshot, SnapshotHead

#: What both kinds of servers call profiles of goroutines.
NAME: Final = "goroutine"
#: Characters of a label's value; Pyroscope takes 2,048 bytes of one by default.
MOST_TEXT: Final = 256
NOWHERE: Final = Location("", "", 0)


@dataclass(frozen=True, slots=True)
class Profile:
    """What is pushed.

    Attributes:
        id: The snapshot's, 32 hexadecimal digits.
        labels: Of the process; none is empty. `__name__` is among them.
        pprof: A gzipped profile.proto.
    """

    id: str
    labels: Mapping[str, str]
    pprof: bytes


def profile_of(store: Store, head: SnapshotHead) -> Profile | None:
    """What is pushed of a snapshot; None when it, or its process, is there no longer. Raises StoreError."""
    snapshot = store.snapshot(head.id)
    known = store.processes(ProcessFilter(head.host, head.process.pid, all_runs=True))
    process = next((one.process for one in known if one.process.key == head.process), None)
    if snapshot is None or process is None:
        return None
    return Profile(head.id, labels_of(head, process), stacks_of(snapshot))


def labels_of(head: SnapshotHead, process: Process) -> dict[str, str]:
    """What the profile is found by."""
    container = process.container
    labels = {
        "service_name": PurePosixPath(process.exe).name,
        "host": head.host,
        "pid": str(process.key.pid),
        "go_version": process.go_version,
        "namespace": container.namespace,
        "pod": container.pod,
        "container": container.name,
        "workload": container.workload,
    }
    return {"__name__": NAME, **{name: shown(text, MOST_TEXT) for name, text in labels.items() if text}}


def stacks_of(snapshot: Snapshot) -> bytes:
    """Its goroutines by stack alone: servers make a series of each label that differs from sample to sample."""
    return encode_samples(_samples(snapshot.profile.groups), snapshot.taken_unix_nano, "")


def _samples(groups: Iterable[GoroutineGroup]) -> Iterable[Sample]:
    counts: Counter[tuple[Frame, ...] | None] = Counter()
    for group in groups:
        counts[None if group.unread else group.frames] += group.count
    for frames, goroutines in counts.items():
        stack = (UNREAD,) if frames is None else tuple(Location(f.function, f.file, f.line) for f in frames)
        yield Sample(Alike(stack, "", "", NOWHERE, None, ""), goroutines, (), 0)
