"""The size of the first cache that code comes from, as the kernel tells it."""

from pathlib import Path

from gosonde_agent.host.caches import first_code_cache_bytes


def told(folder: Path, *caches: tuple[str, str, str]) -> Path:
    """A folder as the kernel has it, with (level, type, size) of each cache."""
    for number, (level, kind, size) in enumerate(caches):
        cache = folder / f"index{number}"
        cache.mkdir()
        for name, text in {"level": level, "type": kind, "size": size}.items():
            (cache / name).write_text(text + "\n")
    return folder


def test_of_several_caches_the_first_one_of_code_counts(tmp_path: Path) -> None:
    caches = ("1", "Data", "48K"), ("1", "Instruction", "64K"), ("2", "Unified", "2M")
    assert first_code_cache_bytes(told(tmp_path, *caches)) == 64 << 10


def test_a_first_cache_for_code_and_data_counts_too(tmp_path: Path) -> None:
    assert first_code_cache_bytes(told(tmp_path, ("1", "Unified", "1M"))) == 1 << 20


def test_where_the_kernel_says_nothing_that_can_be_understood_the_size_is_not_known(tmp_path: Path) -> None:
    assert first_code_cache_bytes(told(tmp_path, ("1", "Instruction", ""), ("1", "Instruction", "much"))) is None
    assert first_code_cache_bytes(tmp_path / "absent") is None
