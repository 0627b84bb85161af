"""What the deployment learns about itself: the base URL that changes come in by, for the links in messages."""

from __future__ import annotations

import json
import re

from ecr_rescan.adapters.documents import DocumentStore
from ecr_rescan.core import keys
from ecr_rescan.core.errors import DocumentError

SCHEMA = 1

_LARGEST_BYTES = 64 * 1024
# It begins every link in messages: what could not begin one is none.
_URL = re.compile(r"https?://[!-~]{1,1000}", re.ASCII)


class DeploymentStore:
    """``deployment.json``, read once and then remembered."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents
        self._base_url: str | None = None

    def base_url(self) -> str | None:
        """The base URL of the API, without a slash at its end; None before the first change, or where it is damaged.

        Raises:
            StoreError: S3 failed.
        """
        if self._base_url is None:
            try:
                stored = self._documents.get(keys.DEPLOYMENT, largest=_LARGEST_BYTES)
            except DocumentError:
                # Links are all that it serves, and the next change writes it anew.
                return None
            self._base_url = _read(stored.body) if stored else None
        return self._base_url

    def remember(self, base_url: str) -> None:
        """Store the base URL where it is not the known one; raises as ``base_url`` does."""
        if self.base_url() != base_url:
            document = json.dumps({"schema": SCHEMA, "base_url": base_url}).encode()
            self._documents.put(keys.DEPLOYMENT, document)
            self._base_url = base_url


def _read(body: bytes) -> str | None:
    # The next change to a configuration writes it anew, so an unreadable one is as good as none.
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    base_url = document.get("base_url") if isinstance(document, dict) else None
    return base_url if isinstance(base_url, str) and _URL.fullmatch(base_url) else None
