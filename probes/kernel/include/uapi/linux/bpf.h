/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Empty on purpose: bcc includes this name and brings what it needs itself. */
