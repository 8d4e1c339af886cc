"""What the tasks do. No Celery in here: settings and services are arguments.

take_in      file → document and page rows                      (intake.py)
read_pages   waiting pages → lines in the database              (drain.py, heartbeat.py)
read_file    file → pages, without a database                   (reading.py)
"""

from __future__ import annotations

from workers.drain import next_page_in, read_pages
from workers.intake import TakenIn, take_in, take_in_uri
from workers.reading import ReadPage, read_file

__all__ = [
    "ReadPage",
    "TakenIn",
    "next_page_in",
    "read_file",
    "read_pages",
    "take_in",
    "take_in_uri",
]
