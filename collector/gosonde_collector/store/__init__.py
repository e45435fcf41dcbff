"""Where the collector keeps what it was told. `protocol.Store` is the seam; `duckdb` is the embedded default."""
