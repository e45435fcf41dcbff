"""From observations to acknowledged batches: spool, journal, uplink."""
