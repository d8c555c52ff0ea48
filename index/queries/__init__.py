"""What is asked: every question to an index, and its answer as rows."""
