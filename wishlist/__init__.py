"""Issues in, wishes out."""
