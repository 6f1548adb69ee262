"""One reader for each sort of file; only a child imports them, and only the one it needs."""
