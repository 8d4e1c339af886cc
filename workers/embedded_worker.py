"""The worker process of the embedded mode: a Celery worker that ends when its supervisor does."""

from __future__ import annotations

import os
import sys
import warnings

from workers.lifeline import die_with_parent, die_with_pipe


def main() -> None:
    """Run until told to stop; arguments: the supervisor's process number, the log level."""
    supervisor, level = int(sys.argv[1]), sys.argv[2]
    die_with_parent(supervisor)
    die_with_pipe(os.dup(0))
    from celery.exceptions import SecurityWarning

    from workers.app import app, settings

    # "Do not run as root" is meant for pickled tasks; we take JSON, and parse files in a sandbox.
    warnings.simplefilter("ignore", SecurityWarning)
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    command = ("worker", "-Q", settings.queue, "-c", str(settings.jobs), "-P", "prefork")
    app.worker_main([*command, "-l", level, *quiet])


if __name__ == "__main__":
    main()
