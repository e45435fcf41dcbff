"""From counters and readings of memory to what is reported."""
