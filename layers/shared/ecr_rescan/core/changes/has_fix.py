"""Whether findings can be fixed: what ECR says of it, else what public data says for the images' releases."""

from __future__ import annotations

from ecr_rescan.core.changes.findings import Finding, FindingKey, FindingsDocument, Opening
from ecr_rescan.core.fixes.known import Fixes, joined
from ecr_rescan.core.fixes.states import Fix, FixState


class DocumentFixes:
    """Of one document, of which many findings are asked for."""

    def __init__(self, document: FindingsDocument, fixes: Fixes) -> None:
        self._fixes = fixes
        self._releases: dict[str | None, int] = {}
        for position, manifest in enumerate(document.manifests if fixes else ()):
            if manifest is not None:
                self._releases[manifest.release] = self._releases.get(manifest.release, 0) | 1 << position

    def of(self, key: FindingKey, finding: Finding, version: str, mask: int) -> tuple[Fix, ...]:
        """Each state that it has in the images of the mask; none where nothing was ever read."""
        told = finding.fixes.get(version)
        if told:
            return (Fix(FixState.FIXED, told),)
        vulnerability, package = key
        found = [
            self._fixes.of(release, vulnerability, package, version)
            for release, part in self._releases.items()
            if part & mask
        ]
        return (found[0],) if len(found) == 1 else joined(found)

    def mended(self, key: FindingKey, finding: Finding, opening: Opening, mask: int) -> int:
        """The images of the mask in which an upgrade mends it."""
        found = 0
        for version, parts in opening.affected.items():
            there = 0
            for part in parts.values():
                there |= part & mask
            if there and finding.fixes.get(version):
                found |= there
            elif there:
                for release, part in self._releases.items():
                    if part & there and self._fixes.of(release, *key, version).fixable:
                        found |= part & there
        return found

    def of_all(self, key: FindingKey, finding: Finding, mask: int) -> tuple[Fix, ...]:
        """The same over all versions that the images of the mask have."""
        opening = finding.current
        if opening is None:
            return ()
        found: list[Fix] = []
        for version, parts in opening.affected.items():
            there = 0
            for part in parts.values():
                there |= part & mask
            if there:
                found += self.of(key, finding, version, there)
        return joined(found)
