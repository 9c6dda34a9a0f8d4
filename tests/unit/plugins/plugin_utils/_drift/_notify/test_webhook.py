# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import json
import re
import socket
import ssl
import subprocess
import threading

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift._notify import webhook
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift._notify.errors import RejectedError, UnavailableError

TOLD = {"id": "n1", "text": "Grüße\n"}
URL = "https://chat.example/services/T0/s3cret"


@pytest.fixture
def receiver():
    """An HTTP server on the loopback address. It answers with `status`, and has what it got in `got`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(server.status)
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    got = []
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    server.status, server.got = 204, got
    server.address = webhook.Webhook(f"http://127.0.0.1:{server.server_port}/services/s3cret", {"Authorization": "Bearer t0ken"})
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_gets_the_message_as_json_with_the_headers_that_it_wants(receiver):
    webhook.send(TOLD, receiver.address)
    ((path, headers, body),) = receiver.got
    assert path == "/services/s3cret" and json.loads(body) == TOLD
    assert headers["Content-Type"] == "application/json" and headers["Authorization"] == "Bearer t0ken"
    assert headers["Idempotency-Key"] == "n1"


@pytest.mark.parametrize(
    ("status", "error"),
    [(500, UnavailableError), (503, UnavailableError), (429, UnavailableError), (408, UnavailableError), (404, RejectedError)]
    + [(status, RejectedError) for status in (301, 302, 307, 400, 401, 413)],
)
def test_what_it_answers_decides_whether_to_wait(receiver, status, error):
    receiver.status = status
    with pytest.raises(error, match=f"^127.0.0.1 answered {status}") as caught:
        webhook.send(TOLD, receiver.address)
    assert "s3cret" not in str(caught.value) and "t0ken" not in str(caught.value)
    assert len(receiver.got) == 1, "no redirect is followed"


def test_a_receiver_that_is_not_there_or_does_not_answer_is_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = webhook.Webhook(f"http://127.0.0.1:{silent.getsockname()[1]}/s3cret", {})
        with pytest.raises(UnavailableError, match=r"^127\.0\.0\.1: ") as caught:
            webhook.send(TOLD, address, seconds=0.2)
        assert "s3cret" not in str(caught.value)
    with pytest.raises(UnavailableError, match="Connection refused"):
        webhook.send(TOLD, address, seconds=0.2)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority of the lab's own, and a certificate of it for `localhost` alone."""
    folder = tmp_path_factory.mktemp("certificates")
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    authority = [*new, "-subj", "/CN=Our lab", "-keyout", folder / "ca.key", "-out", folder / "ca.pem"]
    server = [*new, "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-subj", "/CN=hook", "-keyout", folder / "server.key"]
    server += ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE", "-out", folder / "server.pem"]
    for command in (authority, server):
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    return folder


@pytest.fixture
def over_tls(receiver, certificates):
    """The same receiver behind TLS: a function that makes its address by the name of the host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
    return lambda host: webhook.Webhook(f"https://{host}:{receiver.server_port}/services/s3cret", {})


def test_a_receiver_with_a_certificate_of_the_labs_own_authority(receiver, over_tls, certificates, monkeypatch):
    """As `drift_environment: {SSL_CERT_FILE: ...}` does, or the machine's own store of certificates."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.pem"))
    webhook.send(TOLD, over_tls("localhost"))
    assert json.loads(receiver.got[0][2]) == TOLD


@pytest.mark.parametrize(("host", "trusted"), [("localhost", False), ("127.0.0.1", True)], ids=["unknown", "of another name"])
def test_a_bad_certificate_gets_nothing_and_is_told(receiver, over_tls, certificates, monkeypatch, host, trusted):
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.pem"))
    with pytest.raises(UnavailableError, match=f"^{re.escape(host)}: .*certificate verify failed") as caught:
        webhook.send(TOLD, over_tls(host))
    assert receiver.got == []
    assert "s3cret" not in str(caught.value)


def test_what_speaks_no_http_is_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            client, _address = server.accept()
            client.sendall(b"what?\r\n\r\n")
            client.close()

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(UnavailableError, match=r"^127\.0\.0\.1: "):
            webhook.send(TOLD, webhook.Webhook(f"http://127.0.0.1:{server.getsockname()[1]}/", {}), seconds=2)
        thread.join()


def test_the_file_has_the_address(tmp_path):
    path = tmp_path / "webhook"
    path.write_text(json.dumps({"url": URL, "headers": {"X-Token": "t0ken"}}))
    assert webhook.read(path) == webhook.Webhook(URL, {"X-Token": "t0ken"})
    path.write_text(json.dumps({"url": "http://chat.example/s3cret", "allow_http": True}))
    assert webhook.read(path) == webhook.Webhook("http://chat.example/s3cret", {})


@pytest.mark.parametrize(
    "content",
    [
        "{s3cret",
        '["s3cret"]',
        "{}",
        {"url": "http://chat.example/s3cret"},
        {"url": "http://chat.example/s3cret", "allow_http": False},
        {"url": "file:///etc/s3cret", "allow_http": True},
        {"url": "https:///s3cret"},
        {"url": "https://user:s3cret@chat.example/"},
        {"url": "https://[s3cret"},
        {"url": f"{URL}\nX: y"},
        {"url": URL, "header": {}},
        {"url": URL, "headers": ["s3cret"]},
        {"url": URL, "headers": {"X": 1}},
        {"url": URL, "headers": {"X": "s3cret\r\nY: z"}},
        {"url": URL, "headers": {"X: y\n": "s3cret"}},
    ],
)
def test_what_does_not_fit_is_refused_without_telling_it(tmp_path, content):
    path = tmp_path / "webhook"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match="expected") as caught:
        webhook.read(path)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ValueError, match="No such file"):
        webhook.read(tmp_path / "none")
