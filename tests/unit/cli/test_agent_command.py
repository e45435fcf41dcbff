import subprocess
import sys
from pathlib import Path

import pytest


def gosonde(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from gosonde_cli.cli import main; main()", "agent", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--collector", "nowhere"), "collector: 'nowhere' is not HOST:PORT"),
        (("--listen", "127.0.0.1:1"), "listen: '127.0.0.1:1' is not unix:PATH"),
        (("--pid", "0"), "pid: 0 is not a process id"),
        (("--exe", "server"), "write '*/server'"),
        (("--config", "/nonexistent.toml"), "/nonexistent.toml: cannot be read"),
        (("--pid", "x"), "Invalid value for '--pid'"),
    ],
)
def test_a_wrong_flag_ends_with_2_and_says_what_is_allowed(arguments: tuple[str, ...], complaint: str) -> None:
    result = gosonde(*arguments)
    assert result.returncode == 2
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_file_ends_with_2_although_the_flags_are_right(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text("intervall_seconds = 1")
    result = gosonde("--config", str(path), "--collector", "localhost:1")
    assert result.returncode == 2
    assert f"{path}: intervall_seconds: no such key" in result.stderr
