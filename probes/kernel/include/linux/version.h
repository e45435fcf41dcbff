/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* bcc writes this number into each program it loads; kernels since 5.0 ignore it. */
#ifndef GOSONDE_VERSION_H
#define GOSONDE_VERSION_H

#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION(5, 15, 0)

#endif
