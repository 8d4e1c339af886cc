"""Runs things: settings, Celery, the embedded supervisor and the command line."""
