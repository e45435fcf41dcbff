"""The reasons why hosts have no probes are kept within bounds."""

from gosonde_collector.model.no_probes import MAX_HOSTS, MAX_REASON, NoProbes


def test_the_newest_reason_of_each_host_is_known() -> None:
    known = NoProbes()
    known.learn("web-1", "lockdown")
    known.learn("web-2", "no bcc")
    known.learn("web-1", "no CAP_BPF")
    assert [known.because(host) for host in ("web-1", "web-2", "web-3")] == ["no CAP_BPF", "no bcc", ""]


def test_a_hello_without_a_reason_leaves_the_one_that_older_processes_have() -> None:
    known = NoProbes()
    known.learn("web-1", "lockdown")
    known.learn("web-1", "")
    assert known.because("web-1") == "lockdown"


def test_a_long_reason_is_cut_and_shows_it() -> None:
    known = NoProbes()
    known.learn("web-1", "x" * 100_000)
    assert known.because("web-1") == "x" * (MAX_REASON - 1) + "…"
    known.learn("web-1", "x" * MAX_REASON)
    assert known.because("web-1") == "x" * MAX_REASON


def test_too_many_hosts_cost_the_one_that_said_nothing_for_longest() -> None:
    known = NoProbes()
    for number in range(MAX_HOSTS):
        known.learn(f"web-{number}", "lockdown")
    known.learn("web-0", "lockdown")
    known.learn("one-more", "lockdown")
    assert [bool(known.because(host)) for host in ("web-0", "web-1", "one-more")] == [True, False, True]
