"""Where the collector keeps what was reported to it. `protocol.Store` is the seam; `duckdb` is the embedded default."""
