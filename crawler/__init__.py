"""Sources in, kernel records out. Knows nothing of DuckDB, click or torch."""
