# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A webhook's receiver: writes down what it gets, one line of JSON each."""

import http.server
import json


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = {"from": self.client_address[0], "path": self.path, "headers": dict(self.headers), "body": json.loads(body)}
        with open("/srv/received", "a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")
        self.send_response(204)
        self.end_headers()


http.server.HTTPServer(("0.0.0.0", 8088), Receiver).serve_forever()
