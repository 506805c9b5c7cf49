"""What `python -m tasks` sets for its stages holds for tests that run them in their own process too."""

from __future__ import annotations

import os
import signal

from tasks.__main__ import ENVIRONMENT

os.environ.update(ENVIRONMENT)

# A script that starts the tests in its background has them ignore Ctrl-C, and so would the flows they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
