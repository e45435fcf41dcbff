"""The source that counts by perf events: hardware breakpoints or uprobes, without BPF."""
