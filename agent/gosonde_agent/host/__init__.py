"""The host: kernel, /proc, system calls, privileges, the agent's own limits and threads."""
