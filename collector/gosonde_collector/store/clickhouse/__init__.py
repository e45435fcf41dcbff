"""The store in a ClickHouse server: it reduces what it holds to what an answer needs, and DuckDB's questions answer."""
