"""How long the agent takes to probe a Go binary of 100 MB: one that it never saw, and one whose build it knows.

    sudo .venv/bin/python benchmarks/attach.py

Builds the binary first (some minutes, once): a program of 88,000 generated functions, stripped. Each run is a fresh
process on one core; the page cache is warm, as it is for a file that a process has just been started from.
"""

import functools
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gosonde_agent.discovery.attachments import Attachments  # noqa: E402
from gosonde_agent.discovery.limits import Limits  # noqa: E402
from gosonde_agent.golang import binary  # noqa: E402
from gosonde_agent.golang.known import KnownBinaries  # noqa: E402
from gosonde_agent.sources.ebpf.loading import load_probes  # noqa: E402
from gosonde_agent.sources.ebpf.source import EbpfSource  # noqa: E402

from tests import toolchains  # noqa: E402

PACKAGES = 110
FUNCTIONS = 800
RUNS = 9
BODY = """
func F{n}(values []string, number int) (string, error) {{
	table := map[string]int{{"a{n}": number, "b{n}": number * {n}}}
	for i, value := range values {{
		if i%{odd} == 0 {{
			table[value] += i + {n}
		}} else if len(value) > {odd} {{
			return fmt.Sprintf("%s-%d-{n}", value, i), nil
		}}
	}}
	if table["a{n}"] > {n} {{
		return "", fmt.Errorf("%d is more than {n}", table["a{n}"])
	}}
	return fmt.Sprint(len(table), number), nil
}}
"""


def build(mode: str) -> Path:
    """The large binary, for a build mode."""
    folder = toolchains.cache_dir() / "large"
    target = folder / f"program-{mode}"
    if target.exists():
        return target
    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    imports, calls = [], []
    for package in range(PACKAGES):
        path = source / f"p{package}"
        path.mkdir(parents=True)
        functions = "".join(BODY.format(n=package * FUNCTIONS + i, odd=i % 17 + 2) for i in range(FUNCTIONS))
        names = ", ".join(f"F{package * FUNCTIONS + i}" for i in range(FUNCTIONS))
        table = f"\nvar All = []func([]string, int) (string, error){{{names}}}\n"
        (path / "p.go").write_text(f'package p{package}\n\nimport "fmt"\n{functions}{table}')
        imports.append(f'\t"large.test/p{package}"\n')
        calls.append(f"\tfor _, f := range p{package}.All {{\n\t\tf(os.Args, len(os.Args))\n\t}}\n")
    (source / "go.mod").write_text("module large.test\n\ngo 1.21\n")
    (source / "main.go").write_text(
        f'package main\n\nimport (\n\t"os"\n{"".join(imports)})\n\nfunc main() {{\n{"".join(calls)}\tselect {{}}\n}}\n'
    )
    command = [str(toolchains.go()), "build", f"-buildmode={mode}", "-ldflags=-s -w", "-o", str(target), "."]
    subprocess.run(command, cwd=source, env=toolchains.environment(), check=True)
    return target


def measure(path: str) -> dict[str, float]:
    """Seconds to read and probe the binary at first, and again from what is known of its build; on one core."""
    os.sched_setaffinity(0, {0})
    known, source = KnownBinaries(), EbpfSource(load_probes())
    attachments = Attachments(source, Limits())
    took = []
    for _ in range(2):
        fd = os.open(path, os.O_RDONLY)
        began = time.perf_counter()
        attachments.attach(fd, functools.partial(binary.load, fd, path, known), None)
        took.append(time.perf_counter() - began)
        os.close(fd)
        attachments.close()
    source.close()
    return {"unknown": took[0], "known": took[1]}


def main() -> None:
    """Prints medians."""
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[2])))
        return
    for mode in ("exe", "pie"):
        path = build(mode)
        runs = [
            json.loads(subprocess.run([sys.executable, __file__, "measure", str(path)], check=True, stdout=-1).stdout)
            for _ in range(RUNS)
        ]
        size = path.stat().st_size / 1e6
        unknown, known = (statistics.median(run[key] for run in runs) * 1e3 for key in ("unknown", "known"))
        print(f"{mode}, {size:.0f} MB, stripped: unknown {unknown:.0f} ms, known {known:.1f} ms (medians of {RUNS})")


if __name__ == "__main__":
    main()
