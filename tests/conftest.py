"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is slow, and slowness is no fault of what is tested.
settings.register_profile("pagemill", deadline=None)
settings.load_profile("pagemill")
