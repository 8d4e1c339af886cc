"""One module for each group of `pagemill` commands: it parses, calls and prints."""
