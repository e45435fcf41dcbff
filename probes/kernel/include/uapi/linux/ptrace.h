/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The registers as the kernel hands them to a uprobe program: part of its stable interface on each architecture. */
#ifndef GOSONDE_PTRACE_H
#define GOSONDE_PTRACE_H

#if defined(__TARGET_ARCH_arm64) || defined(__aarch64__)
struct pt_regs {
	unsigned long regs[31];
	unsigned long sp;
	unsigned long pc;
	unsigned long pstate;
};
#else
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8;
	unsigned long ax, cx, dx, si, di;
	unsigned long orig_ax;
	unsigned long ip, cs, flags, sp, ss;
};
#endif

#endif
