"""The DuckDB index: store, queries, command line."""
