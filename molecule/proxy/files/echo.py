# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program behind the proxy: tells what it got, takes uploads, sends events, and speaks to websockets.

usage: echo.py PORT|SOCKET
"""

import base64
import hashlib
import http.server
import json
import os
import socketserver
import sys
import time

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.websocket()
        elif self.path.endswith("/events"):
            self.events()
        else:
            self.tell({})

    def do_POST(self):
        # With an upload that is streamed, the first bytes are here before the last ones are sent.
        length, size, sha = int(self.headers.get("Content-Length", 0)), 0, hashlib.sha256()
        while size < length:
            chunk = self.rfile.read1(min(length - size, 1 << 16))
            if not chunk:
                return
            if size == 0:
                with open("/srv/first-bytes", "w", encoding="utf-8") as file:
                    file.write(str(len(chunk)))
            size += len(chunk)
            sha.update(chunk)
        self.tell({"size": size, "sha256": sha.hexdigest()}, 401 if self.path.endswith("/refused") else 200)

    def tell(self, more, status=200):
        body = json.dumps({"path": self.path, "headers": dict(self.headers), **more}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "session=1; Path=/; HttpOnly")
        self.send_header("X-Frame-Options", "ALLOWALL")
        self.end_headers()
        self.wfile.write(body)

    def events(self):
        """Two, and a long pause between them."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        self.wfile.write(b"data: first\n\n")
        self.wfile.flush()
        time.sleep(20)
        self.wfile.write(b"data: second\n\n")

    def websocket(self):
        accept = base64.b64encode(hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + GUID).digest()).decode()
        self.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)):
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        self.wfile.write(b"\x81\x05hello")
        self.wfile.flush()
        while head := self.rfile.read(2):
            length = head[1] & 127
            mask, data = self.rfile.read(4), self.rfile.read(length)
            text = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
            self.wfile.write(bytes([0x81, length]) + text)
            self.wfile.flush()


class OnPort(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


class OnSocket(socketserver.ThreadingUnixStreamServer):
    def get_request(self):
        connection, _address = super().get_request()
        return connection, ("local", 0)


place = sys.argv[1]
if place.isdigit():
    OnPort(("127.0.0.1", int(place)), Echo).serve_forever()
else:
    os.umask(0)
    OnSocket(place, Echo).serve_forever()
