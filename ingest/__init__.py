"""Files to pages: what a file is, its pages, their pixels and their text layer."""
