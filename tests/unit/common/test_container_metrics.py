"""A process has the names of its container in the metrics, as far as they are known."""

from gosonde_common.container_metrics import container_metric
from gosonde_common.gc_metrics import MAX_PROCESSES, PauseHistograms
from gosonde_common.goroutine_metrics import SiteRow, goroutine_metrics
from gosonde_common.owners import Owner, owner_of
from gosonde_common.values.containers import NO_CONTAINER, Container
from prometheus_client.samples import Sample

NAMED = Container("a" * 64, "", "shop", "web-0", "server", "web")
NAMES = {"namespace": "shop", "pod": "web-0", "container": "server"}
NOWHERE = dict.fromkeys(NAMES, "")


def owner(container: Container, pid: int = 7) -> Owner:
    return owner_of("web-1", pid, "/srv/app", container)


def test_a_process_in_a_named_container_has_one_sample_with_its_workload() -> None:
    rows = [(owner(NAMED), "web"), (owner(NO_CONTAINER), ""), (owner(Container("a" * 64)), "")]
    (sample,) = container_metric(rows).samples
    assert sample.labels == {"host": "web-1", "pid": "7", "exe": "/srv/app", **NAMES, "workload": "web"}


def test_there_are_samples_of_a_bounded_number_of_processes() -> None:
    rows = [(owner(NAMED, pid), "web") for pid in range(MAX_PROCESSES + 3)]
    assert len(container_metric(rows).samples) == MAX_PROCESSES


def test_sites_have_the_names_of_their_process_and_others_have_none() -> None:
    rows = [SiteRow(owner(NAMED), f"main.f{n}", "", 1, 0, 1) for n in range(12)]
    labels = [sample.labels for metric in goroutine_metrics(rows, {"web-1": 5}) for sample in metric.samples]
    assert all(one.items() >= NAMES.items() for one in labels if one["pid"] == "7")
    assert [one for one in labels if one["pid"] != "7"] == [
        {"host": "web-1", "pid": "(others)", "exe": "(others)", **NOWHERE, "function": "(others)", "location": ""}
    ]


def counts(histograms: PauseHistograms) -> list[Sample]:
    return [sample for sample in histograms.metric().samples if sample.name.endswith("_count")]


def test_pauses_go_on_under_the_names_that_become_known() -> None:
    histograms = PauseHistograms()
    histograms.observe(owner(NO_CONTAINER), "GC mark termination", 1_000)
    (before,) = counts(histograms)
    assert before.labels.items() >= NOWHERE.items()
    histograms.rename(owner(NAMED))
    histograms.keep({owner(NAMED)}.__contains__)
    histograms.observe(owner(NAMED), "GC mark termination", 1_000)
    (after,) = counts(histograms)
    assert (after.value, after.labels.items() >= NAMES.items()) == (2, True)
