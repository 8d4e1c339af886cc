"""Text drawn from fonts, with labels that are exact: lines, pages, looks, files."""
