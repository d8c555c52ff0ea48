"""One module a transport: each gives a commit, a list of entries, and bytes on demand."""
