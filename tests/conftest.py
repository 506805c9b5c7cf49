"""What `python -m tasks` sets for its stages holds for tests that run them in their own process too."""

from __future__ import annotations

import os

from tasks.__main__ import ENVIRONMENT

os.environ.update(ENVIRONMENT)
