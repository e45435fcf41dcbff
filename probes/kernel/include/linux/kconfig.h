/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What bcc's compiler includes first. Nothing of a kernel's configuration matters to these probes but BPF itself. */
#ifndef GOSONDE_KCONFIG_H
#define GOSONDE_KCONFIG_H

#define CONFIG_BPF_SYSCALL 1

#endif
