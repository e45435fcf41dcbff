"""Where the collector keeps its data: `protocol.Store` says how, `duckdb` and `clickhouse/` do it."""
