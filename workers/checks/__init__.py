"""What `pagemill doctor` looks at: a check yields what it found, and what to do about it."""
