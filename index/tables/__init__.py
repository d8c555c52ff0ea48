"""What is written: records become rows, one module a kind of rows."""
