"""Processes in namespaces of their own, and files that are moved, replaced, linked, reused and unmounted."""

import shutil
import subprocess
from pathlib import Path

import pytest
from gosonde_agent.discovery import attachments

from tests import go_programs
from tests.go_programs import GoProgram, site_line
from tests.integration.containers import contained, mounted, overlay
from tests.integration.watching import Watch, watching

pytestmark = pytest.mark.usefixtures("ebpf")

SITE = ("main.spawn", site_line("churn", "spawn"))


def copy_of_churn(target: Path, version: str = "1.27.3") -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(go_programs.build("churn", version), target)
    return target


def image(watch: Watch, pid: int) -> int:
    """The number of the attachment that a process is counted by."""
    (process,) = [process for _, process in watch.monitor.processes.of_pid(pid)]
    assert process.image is not None
    return process.image.binary


def test_a_process_in_other_namespaces_is_counted_under_its_pid_on_the_host(tmp_path: Path) -> None:
    lower = copy_of_churn(tmp_path / "image" / "churn").parent
    merged = tmp_path / "merged"
    merged.mkdir()
    setup = f"mount -t overlay -o {overlay(tmp_path / 'one', lower)} overlay {merged}"
    with contained(f"{merged}/churn", setup) as (program, pid), watching(pid=pid) as watch:
        assert not list(merged.iterdir()), "the host does not see the file system"
        program.ask("run 1500")
        watch.observe()
        assert watch.counts(pid, *SITE) == (1_500, 1_500)
        assert watch.process(pid).exe == f"{merged}/churn"
        assert watch.nothing_lost()


def test_two_containers_that_share_an_image_are_each_counted_exactly(tmp_path: Path) -> None:
    lower = copy_of_churn(tmp_path / "image" / "churn").parent
    setups = []
    for name in ("one", "two"):
        (tmp_path / name / "merged").mkdir(parents=True)
        options = overlay(tmp_path / name, lower)
        setups.append(f"mount -t overlay -o {options} overlay {tmp_path / name / 'merged'}")
    with (
        contained(f"{tmp_path}/one/merged/churn", setups[0]) as (one, pid_one),
        contained(f"{tmp_path}/two/merged/churn", setups[1]) as (two, pid_two),
        watching(exe="*/merged/churn") as watch,
    ):
        watch.observe()
        assert image(watch, pid_one) != image(watch, pid_two), "each mount has an identity of its own"
        one.ask("run 300")
        two.ask("run 7000")
        watch.observe()
        assert watch.counts(pid_one, *SITE) == (300, 300)
        assert watch.counts(pid_two, *SITE) == (7_000, 7_000)
        two.ask("quit")
        two.wait()
        watch.observe_until_ended(pid_two)
        left = {found.tgid for found in watch.monitor.source.counters().sites}
        assert left == {pid_one}, "nothing is kept of the ended process, whichever probes counted it"


def test_a_deleted_file_is_watched_and_counted_to_the_end(tmp_path: Path) -> None:
    executable = copy_of_churn(tmp_path / "churn")
    with GoProgram(executable) as program:
        executable.unlink()
        with watching(pid=program.pid) as watch:
            program.ask("run 900")
            watch.observe()
            assert watch.counts(program.pid, *SITE) == (900, 900)
            assert watch.process(program.pid).exe == f"{executable} (deleted)"


def test_a_replaced_file_is_another_binary_while_the_old_one_still_runs(tmp_path: Path) -> None:
    executable = copy_of_churn(tmp_path / "churn", "1.24.11")
    with watching(exe=f"{tmp_path}/*") as watch, GoProgram(executable) as old:
        watch.observe()
        copy_of_churn(tmp_path / "new" / "churn", "1.27.3").rename(executable)
        with GoProgram(executable) as new:
            watch.observe()
            old.ask("run 100")
            new.ask("run 2000")
            watch.observe()
            assert watch.counts(old.pid, *SITE) == (100, 100)
            assert watch.counts(new.pid, *SITE) == (2_000, 2_000)
            versions = [watch.process(program.pid).go_version for program in (old, new)]
            assert versions == ["go1.24.11", "go1.27.3"]


def test_an_inode_that_another_build_reuses_is_another_binary(tmp_path: Path) -> None:
    numbers = []
    with watching(exe=f"{tmp_path}/*") as watch:
        for version, goroutines in (("1.24.11", 10), ("1.27.3", 20), ("1.19.8", 30), ("1.27.3", 40)):
            executable = copy_of_churn(tmp_path / "churn", version)
            numbers.append(executable.stat().st_ino)
            with GoProgram(executable) as program:
                watch.observe()
                program.ask(f"run {goroutines}")
                watch.observe()
                assert watch.counts(program.pid, *SITE) == (goroutines, goroutines)
                assert watch.process(program.pid).go_version == f"go{version}"
            executable.unlink()
            watch.observe_until_ended(program.pid)
            watch.let_go()
    assert len(set(numbers)) < len(numbers), "this file system never gave an inode out again: it shows nothing"


def test_hard_links_to_one_file_share_its_probes(tmp_path: Path) -> None:
    first = copy_of_churn(tmp_path / "churn")
    second = tmp_path / "link"
    second.hardlink_to(first)
    with watching(exe=f"{tmp_path}/*") as watch, GoProgram(first) as one, GoProgram(second) as other:
        watch.observe()
        one.ask("run 11")
        other.ask("run 22")
        watch.observe()
        assert watch.counts(one.pid, *SITE) == (11, 11)
        assert watch.counts(other.pid, *SITE) == (22, 22)
        assert image(watch, one.pid) == image(watch, other.pid)
        assert [watch.process(p.pid).exe for p in (one, other)] == [str(first), str(second)]


def test_a_file_whose_mode_changes_is_counted_exactly_and_has_its_probes_once_in_the_end(tmp_path: Path) -> None:
    executable = copy_of_churn(tmp_path / "churn")
    with watching(exe=f"{tmp_path}/*") as watch, GoProgram(executable) as old:
        watch.observe()
        executable.chmod(0o700)
        with GoProgram(executable) as new:
            watch.observe()
            old.ask("run 50")
            new.ask("run 600")
            watch.observe()
            assert watch.counts(old.pid, *SITE) == (50, 50)
            assert watch.counts(new.pid, *SITE) == (600, 600)
            assert len(watch.monitor.files.attachments) == 2
            old.ask("quit")
            old.wait()
            watch.observe_until_ended(old.pid)
            assert len(watch.monitor.files.attachments) == 1
            new.ask("run 1")
            watch.observe()
            assert watch.counts(new.pid, *SITE) == (601, 601)


def test_a_file_system_can_be_unmounted_soon_after_its_last_process_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounted("tmpfs", tmp_path / "small", "size=64m") as folder, watching(exe="*/churn") as watch:
        executable = copy_of_churn(folder / "churn")
        with GoProgram(executable) as program:
            watch.observe()
            program.ask("run 5")
            watch.observe()
            assert watch.counts(program.pid, *SITE) == (5, 5)
        watch.observe_until_ended(program.pid)
        assert subprocess.run(["umount", str(folder)], check=False, stderr=subprocess.DEVNULL).returncode, (
            "probes are in"
        )
        monkeypatch.setattr(attachments, "IDLE_SECONDS", 0.0)
        watch.observe()
        watch.let_go()
        subprocess.run(["umount", str(folder)], check=True)
