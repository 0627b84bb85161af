"""Takes out of the layer's botocore what only people read, and what is about services that no function calls.

Run by the makefile as ``python3 trim.py BOTOCORE_DATA``, once only the services that are called are left there. Every
cold start parses these files, and of a service's description four fifths are documentation.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any


def trim(data: Path) -> None:
    """Trim a ``botocore/data``; the same files give the same bytes."""
    # Endpoints are listed by a name of their own: ECR's is api.ecr.
    services = set()
    for path in sorted(data.glob("*/*/service-2.json.gz")):
        model = json.loads(gzip.decompress(path.read_bytes()))
        services.add(model["metadata"]["endpointPrefix"])
        path.unlink()
        _write(path.with_suffix(""), _undocumented(model))
    endpoints = json.loads((data / "endpoints.json").read_bytes())
    for partition in endpoints["partitions"]:
        partition["services"] = {name: one for name, one in partition["services"].items() if name in services}
    _write(data / "endpoints.json", endpoints)


def _undocumented(model: Any) -> Any:
    if isinstance(model, dict):
        # botocore expects the member in some places, so it stays, empty; a shape's member may be called so, too.
        return {
            name: "" if name == "documentation" and isinstance(part, str) else _undocumented(part)
            for name, part in model.items()
        }
    return [_undocumented(part) for part in model] if isinstance(model, list) else model


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
