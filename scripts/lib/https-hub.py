"""A hub over https on a loopback port, for tests: stock `git http-backend` behind Python's server, with TLS and one token for each repository.

    https-hub.py FOLDER CERTIFICATE KEY

FOLDER holds NAME.git and NAME.token. Prints the port, then serves until it is ended.
"""
import base64
import http.server
import os
import ssl
import subprocess
import sys

folder, certificate, key = os.path.abspath(sys.argv[1]), sys.argv[2], sys.argv[3]


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def serve(self):
        path, _, query = self.path.partition("?")
        name = path.lstrip("/").split("/")[0].removesuffix(".git")
        try:
            token = open(os.path.join(folder, os.path.basename(name) + ".token")).read().strip()
        except OSError:
            token = None
        given = self.headers.get("Authorization", "")
        if token is None or given != "Basic " + base64.b64encode(token.encode()).decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="hub"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self.body()
        environment = dict(
            os.environ, GIT_PROJECT_ROOT=folder, GIT_HTTP_EXPORT_ALL="1", PATH_INFO=path, QUERY_STRING=query,
            REQUEST_METHOD=self.command, CONTENT_TYPE=self.headers.get("Content-Type", ""),
            CONTENT_LENGTH=str(len(body)), REMOTE_USER=name, REMOTE_ADDR="127.0.0.1")
        answer = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((value for field, value in fields if field == "Status"), "200 OK")
        self.send_response(int(status.split()[0]))
        for field, value in fields:
            if field != "Status":
                self.send_header(field, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = serve

    def body(self):
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
