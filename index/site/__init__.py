"""The static page: everything of the index that people look at rather than ask for by command."""
