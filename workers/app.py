"""The Celery application: `celery -A workers.app worker -Q cpu` is a full worker.

Importing this opens nothing and imports no engine: the process that forks the workers stays cold,
because neither OpenVINO nor OpenCV nor a database connection survives a fork.
"""

from __future__ import annotations

from workers.application import make_app
from workers.settings import load_settings

settings = load_settings()
app = make_app(settings)
