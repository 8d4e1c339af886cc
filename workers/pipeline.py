"""What the tasks do. No Celery in here: settings and services are arguments.

take_in      file → document and page rows                      (intake.py)
read_pages   waiting pages → lines in the database              (drain.py, heartbeat.py)
read_file    file → pages, without a database                   (reading.py)
"""

from __future__ import annotations

from workers.drain import pages_wait, read_pages
from workers.intake import TakenIn, take_in, take_in_uri
from workers.reading import ReadPage, read_file

__all__ = [
    "ReadPage",
    "TakenIn",
    "pages_wait",
    "read_file",
    "read_pages",
    "take_in",
    "take_in_uri",
]
