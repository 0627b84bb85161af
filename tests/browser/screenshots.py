"""``python -m tests.browser.screenshots``: the pictures of the dashboard for the README."""

from __future__ import annotations

from pathlib import Path

from tests.browser.chromium import tab
from tests.browser.test_dashboard import LOOKS, weeks

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
HEIGHTS = {"light": 1320, "dark": 1320, "phone": 1500}


def main() -> None:
    """Make them anew."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with weeks() as url, tab() as browser:
        for name, height in HEIGHTS.items():
            browser.look(**LOOKS[name])
            browser.open(url)
            file = FOLDER / f"dashboard-{name}.png"
            browser.screenshot(file, height=height)
            print(f"{file.relative_to(FOLDER.parents[1])}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
