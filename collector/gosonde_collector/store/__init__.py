"""Where the collector keeps its data. `protocol.Store` is the interface; `duckdb` is the embedded default."""
