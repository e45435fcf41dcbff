"""What is run on each kernel: tests, by what they show."""

from collections.abc import Mapping, Sequence

from tests.kernels.kernels import Kernel

AGENT = "tests/integration/agent"
COUNTS = f"{AGENT}/accounting/test_goroutine_counts.py"
PAUSES = f"{AGENT}/sources/ebpf/test_gc_pauses.py"
LEVELS = f"{AGENT}/overhead/test_levels.py"
UNHARMED = f"{AGENT}/watch/test_targets_are_unharmed.py"
WORKS, REFUSED = "tests/kernels/inside/works.py", "tests/kernels/inside/refused.py"

#: By the column of the table; 9 is SIGKILL.
ON_SUPPORTED: Mapping[str, Sequence[str]] = {
    "doctor": (f"{WORKS}::test_doctor_says_that_the_host_is_ready",),
    "trace": (f"{WORKS}::test_a_trace_counts_each_goroutine_and_each_gc_cycle",),
    "counts": (
        f"{COUNTS}::test_every_goroutine_is_counted_once_by_its_go_statement[1000-1]",
        f"{COUNTS}::test_every_goroutine_is_counted_once_by_its_go_statement[1000-2]",
        f"{COUNTS}::test_a_process_that_starts_after_its_file_is_known_is_counted_from_its_first_goroutine",
        f"{COUNTS}::test_a_process_that_ends_leaves_its_final_totals",
        f"{COUNTS}::test_two_processes_of_one_file_are_counted_apart",
    ),
    "GC pauses": (
        f"{PAUSES}::test_every_gc_cycle_is_counted_and_its_pause_covers_the_runtimes_own[2-1.27.3]",
        f"{PAUSES}::test_cycles_begin_and_end_within_the_time_that_was_watched",
    ),
    "levels": (
        f"{LEVELS}::test_exits_come_from_memory_when_only_creations_are_affordable",
        f"{LEVELS}::test_totals_are_exact_over_a_step_to_memory_and_back[1.27.3]",
    ),
    "agent to collector": (f"{WORKS}::test_an_agent_delivers_exact_totals_to_a_collector",),
    "unharmed": (
        f"{UNHARMED}::test_results_are_right_through_attaching_and_detaching_under_load[1.27.3]",
        f"{UNHARMED}::test_the_agents_death_leaves_the_target_right_and_free_of_probes[9]",
    ),
}
ON_REFUSED: Mapping[str, Sequence[str]] = {
    "doctor": (f"{REFUSED}::test_doctor_says_that_the_kernel_is_too_old",),
    "trace": (f"{REFUSED}::test_a_trace_by_probes_is_refused_for_the_kernels_age",),
    "agent to collector": (
        f"{REFUSED}::test_an_agent_watches_by_memory_and_says_that_it_places_no_probes_for_the_kernels_age",
    ),
}
#: The Go programs that those run.
PROGRAMS = ("churn", "load")


def columns(kernel: Kernel) -> Mapping[str, Sequence[str]]:
    """The tests of a kernel."""
    return ON_REFUSED if kernel.is_refused else ON_SUPPORTED
