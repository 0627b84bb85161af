"""Verifies AWS Signature Version 4 as AWS documents it, without botocore, and a stub of API Gateway that does so.

AWS General Reference, "Create a signed AWS API request": canonical request, string to sign, signing key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
)


def fault(
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    secrets: Mapping[str, tuple[str, str | None]],
    service: str,
    region: str,
) -> str | None:
    """What is wrong with a request's signature, None where nothing is.

    Args:
        headers: names in lower case.
        secrets: access key id → (secret access key, session token that must come along).
    """
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if found is None:
        return "there is no signature"
    key_id, day, of_region, of_service, names, signature = found.groups()
    if (of_region, of_service) != (region, service):
        return f"it is signed for {of_service} in {of_region}"
    if key_id not in secrets:
        return f"nobody knows {key_id}"
    secret, session_token = secrets[key_id]
    if headers.get("x-amz-security-token") != session_token:
        return "the session's token is missing or another's"
    signed = names.split(";")
    needed = {"host", "x-amz-date"} | ({"x-amz-security-token"} if session_token else set())
    if signed != sorted(signed) or not needed <= set(signed):
        return f"these headers are signed: {names}"
    moment = headers.get("x-amz-date", "")
    path, _, query = target.partition("?")
    pairs = sorted(
        (quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~"))
        for name, _, value in (part.partition("=") for part in query.split("&") if part)
    )
    canonical = "\n".join(
        [
            method,
            # Every service but S3 encodes the path twice.
            quote(path, safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{' '.join(headers[name].split())}" for name in signed),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    expected = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return None if hmac.compare_digest(expected, signature) else "the signature is not of this request"


class Gateway:
    """API Gateway as far as signatures go: 403 with the reason for a bad one, else an empty list."""

    def __init__(self, secrets: Mapping[str, tuple[str, str | None]], region: str) -> None:
        self.secrets = secrets
        self.region = region
        self.faults: list[str | None] = []
        self.url = ""

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        """Status and body."""
        wrong = fault(method, target, headers, body, secrets=self.secrets, service="execute-api", region=self.region)
        self.faults.append(wrong)
        return (200, []) if wrong is None else (403, {"message": wrong})


@contextmanager
def serving(answer: Any, certificate: Path | None = None) -> Iterator[str]:
    """Serve ``answer(method, target, headers, body)`` on this machine, over TLS where there is a certificate."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, told = answer(self.command, self.path, headers, body)
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _handle

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"{scheme}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def make_certificate(path: Path) -> Path:
    """A certificate of this machine's own with its key, as one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
