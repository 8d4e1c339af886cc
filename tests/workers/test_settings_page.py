"""docs/settings.md lists every setting, and none that is not."""

from __future__ import annotations

import re
from pathlib import Path

from workers.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_of_settings_is_complete_and_in_order() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert listed == list(Settings.model_fields)
