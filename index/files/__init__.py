"""Where the index lies: the file, its working copy, the bundle, and what is published."""
