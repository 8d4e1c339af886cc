"""Pixels to text: detection, orientation, recognition. Knows no bucket, database or queue."""
