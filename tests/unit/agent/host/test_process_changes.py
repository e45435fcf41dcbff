"""Which processes come and go is seen by looking, without asking each of them every time."""

from gosonde_agent.host.process_changes import TURNS, Change, ProcessChanges, Program

#: Long after which no process is young.
LATER = 100.0


class Host:
    """Processes by pid, and what was asked of them."""

    def __init__(self, *pids: int) -> None:
        self.programs = {pid: Program(pid) for pid in pids}
        self.asked: list[int] = []
        self.now = 0.0
        self.changes = ProcessChanges(lambda: list(self.programs), self._program, lambda: self.now)

    def _program(self, pid: int) -> Program | None:
        self.asked.append(pid)
        return self.programs.get(pid)

    def look(self, *watched: int) -> list[tuple[int, Change]]:
        self.asked.clear()
        return self.changes.look(watched)


def test_what_begins_and_what_ends_is_told_once() -> None:
    host = Host(7)
    assert host.look() == [(7, Change.BEGAN)]
    assert host.look() == []
    del host.programs[7]
    host.programs[8] = Program(8)
    assert host.look() == [(7, Change.ENDED), (8, Change.BEGAN)]
    assert host.look() == []


def test_a_process_that_runs_another_program_has_ended_and_begun_again() -> None:
    host = Host(7)
    host.look()
    host.programs[7] = Program(7, device=1, inode=2)
    assert host.look() == [(7, Change.ENDED), (7, Change.BEGAN)]


def test_a_number_that_another_process_has_now_is_another_process() -> None:
    host = Host(7)
    host.look()
    host.now = LATER
    host.programs[7] = Program(start_ticks=99)
    assert host.look(7) == [(7, Change.ENDED), (7, Change.BEGAN)]


def test_old_processes_are_asked_in_turn_and_those_that_are_watched_each_time() -> None:
    host = Host(*range(1, 10 * TURNS + 1))
    host.look()
    host.now = LATER
    seen = set[int]()
    for _ in range(TURNS):
        assert host.look(5) == []
        assert 5 in host.asked
        assert len(host.asked) <= 11
        seen.update(host.asked)
    assert seen == set(host.programs)


def test_a_process_that_ends_while_it_is_looked_at_is_told_as_ended_only_if_it_was_known() -> None:
    host = Host(7)
    changes = ProcessChanges(lambda: [7, 8], host.programs.get, lambda: 0.0)
    assert changes.look(()) == [(7, Change.BEGAN)]
    del host.programs[7]
    assert changes.look((7,)) == [(7, Change.ENDED)]
    assert changes.look((7,)) == []
