"""``python -m contract``: write the contract that the Summary function serves."""

from __future__ import annotations

from contract.document import FILE, to_text


def main() -> None:
    """Write the file anew."""
    FILE.write_text(to_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
