"""One format a file: pages in, pieces of the file out, so that any length fits in memory."""
