"""Which way up: the page by 0, 90, 180 or 270 degrees, a line by 0 or 180."""
