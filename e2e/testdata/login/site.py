# A site with the functions of README: /login?user=, /me, /theme, /logout.
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import sessions


class Site(BaseHTTPRequestHandler):
    def do_GET(self):
        url, cookie, header = urlsplit(self.path), self.headers.get("Cookie", ""), None
        status, body = 200, ""
        try:
            if url.path == "/login":
                header = sessions.login(parse_qs(url.query)["user"][0], self.client_address[0])
            elif url.path == "/me":
                session = sessions.session(cookie)
                status, body = (200, session["id"]) if session else (401, "none")
            elif url.path == "/theme":
                data = {"theme": parse_qs(url.query)["theme"][0]}
                body = sessions.sessions("POST", "set/-", cookie, data)["d"]["theme"]
            elif url.path == "/logout":
                sessions.sessions("DELETE", "kill/-", cookie)
                header = "sid=; Path=/; Secure; Max-Age=0"
        except OSError as error:
            status, body = 503, str(error)
        self.send_response(status)
        if header:
            self.send_header("Set-Cookie", header)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Site).serve_forever()
