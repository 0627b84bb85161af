"""An S3, an ECR and an SNS that answer every call after a fixed time, in a process of their own.

Just enough of each for the benchmarks, so that what is measured is the service and its clients: real boto3, real HTTP,
conditional writes, listings by pages. What they answer is held in memory and counted by operation.

Run as ``python -m benchmarks.stub DIRECTORY MILLISECONDS``: objects come from the directory's files. ECR's results are
those of ``scans.json`` there, lists of findings that are shared out among all images. The port is printed when it
serves.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "bench"
COUNTS = "/_counts"
"""GET answers the calls so far by operation, as JSON, and forgets them."""
SNAPSHOT = "/_restore"
"""GET makes the bucket what it was at the start."""

_PAGE = 1000
_COMPLETED_AT = 1772452740
"""2026-03-02 11:59 UTC."""
_MODIFIED = "2026-03-02T11:00:00.000Z"


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Reply:
    status: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Stub:
    """The services. ``latency`` is in seconds."""

    def __init__(self, objects: dict[str, bytes], scans: Sequence[object], latency: float) -> None:
        self._original = objects
        self._objects = dict(objects)
        self._scans = [json.dumps(findings) for findings in scans]
        self._latency = latency
        self._counts: Counter[str] = Counter()
        self._etags: dict[bytes, str] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept alive."""
        try:
            while request := await self._read(reader, writer):
                reply = self._admin(request.path)
                if reply is None:
                    await asyncio.sleep(self._latency)
                    reply = self._answer(request)
                head = [f"HTTP/1.1 {reply.status}", f"Content-Length: {len(reply.body)}"]
                head += [f"{name}: {value}" for name, value in reply.headers]
                writer.write("\r\n".join([*head, "", ""]).encode() + reply.body)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Request | None:
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.IncompleteReadError:
            return None
        method, target, _ = lines[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if headers.get("expect") == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(int(headers.get("content-length") or 0))
        parts = urlsplit(target)
        return _Request(method, unquote(parts.path), parse_qs(parts.query), headers, body)

    def _admin(self, path: str) -> _Reply | None:
        if path == COUNTS:
            counts, self._counts = self._counts, Counter()
            return _Reply("200 OK", json.dumps(counts).encode())
        if path == SNAPSHOT:
            self._objects = dict(self._original)
            return _Reply("200 OK")
        return None

    def _answer(self, request: _Request) -> _Reply:
        target = request.headers.get("x-amz-target", "")
        if target:
            return self._ecr(target.rpartition(".")[2], json.loads(request.body))
        if request.method == "POST":
            self._counts["Publish"] += 1
            answer = "<PublishResult><MessageId>1</MessageId></PublishResult>"
            return _Reply("200 OK", f"<PublishResponse>{answer}</PublishResponse>".encode())
        _, _, key = request.path.lstrip("/").partition("/")
        if not key:
            return self._list(request)
        if request.method == "PUT":
            return self._put(key, request)
        return self._get(key)

    def _get(self, key: str) -> _Reply:
        self._counts["GetObject"] += 1
        body = self._objects.get(key)
        if body is None:
            return _error("404 Not Found", "NoSuchKey")
        return _Reply("200 OK", body, (("ETag", self._etag(body)), ("Last-Modified", formatdate(0, usegmt=True))))

    def _list(self, request: _Request) -> _Reply:
        self._counts["ListObjectsV2"] += 1
        prefix = request.query.get("prefix", [""])[0]
        after = request.query.get("continuation-token", [""])[0]
        found = sorted(key for key in self._objects if key.startswith(prefix) and key > after)
        page, more = found[:_PAGE], len(found) > _PAGE
        items = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{_MODIFIED}</LastModified>"
            f"<ETag>{escape(self._etag(self._objects[key]))}</ETag><Size>{len(self._objects[key])}</Size></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        return _Reply("200 OK", f"<ListBucketResult>{truncated}{token}{items}</ListBucketResult>".encode())

    def _put(self, key: str, request: _Request) -> _Reply:
        self._counts["PutObject"] += 1
        current = self._objects.get(key)
        wanted = request.headers.get("if-match")
        if request.headers.get("if-none-match") and current is not None:
            return _error("412 Precondition Failed", "PreconditionFailed")
        if wanted and current is None:
            return _error("404 Not Found", "NoSuchKey")
        if wanted and current is not None and wanted.strip('"') != self._etag(current).strip('"'):
            return _error("412 Precondition Failed", "PreconditionFailed")
        self._objects[key] = request.body
        return _Reply("200 OK", b"", (("ETag", self._etag(request.body)),))

    def _ecr(self, operation: str, asked: Mapping[str, object]) -> _Reply:
        self._counts[operation] += 1
        image = asked.get("imageId")
        if operation != "DescribeImageScanFindings" or not isinstance(image, dict) or not self._scans:
            return _Reply("400 Bad Request", b'{"__type":"ScanNotFoundException","message":"no scan"}')
        findings = self._scans[int(image["imageDigest"][-4:], 16) % len(self._scans)]
        body = (
            f'{{"registryId":"{asked["registryId"]}","repositoryName":"{asked["repositoryName"]}",'
            f'"imageId":{json.dumps(image)},"imageScanStatus":{{"status":"COMPLETE"}},"imageScanFindings":'
            f'{{"imageScanCompletedAt":{_COMPLETED_AT},"vulnerabilitySourceUpdatedAt":{_COMPLETED_AT},'
            f'"findings":{findings}}}}}'
        )
        return _Reply("200 OK", body.encode(), (("Content-Type", "application/x-amz-json-1.1"),))

    def _etag(self, body: bytes) -> str:
        known = self._etags.get(body)
        if known is None:
            known = self._etags[body] = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        return known


def _error(status: str, code: str) -> _Reply:
    return _Reply(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())


async def _main(directory: Path, latency: float) -> None:
    objects = {unquote(path.name): path.read_bytes() for path in (directory / "objects").iterdir()}
    stub = Stub(objects, json.loads((directory / "scans.json").read_bytes()), latency)
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), float(sys.argv[2]) / 1000))
