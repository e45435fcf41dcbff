"""The byte that a breakpoint is: an instruction that no amd64 processor has.

It faults, and the thread still stands at it. So a thread that the kernel lets go in the middle of a hit, because its
tracer was killed, runs the instruction that is there by then. After int3 (0xcc) it would go on behind an instruction
that was never done. The kernel's own breakpoints (uprobes) are int3: they differ from these.
"""

import signal

BYTE, SIGNAL, KERNELS_BYTE = 0x06, signal.SIGILL, 0xCC
