"""Numbers of the system calls that libc has no function for, by machine."""

from typing import Final

BPF: Final = {"x86_64": 321, "aarch64": 280}
PERF_EVENT_OPEN: Final = {"x86_64": 298, "aarch64": 241}
