"""A mail server on loopback, for tests of what writes mail."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class MailServer(socketserver.ThreadingTCPServer):
    """A mail server on loopback: it keeps what it gets, or answers a command with the code it is told.

    `features` are named by EHLO, and `encrypted` is the context of STARTTLS; `heard` holds every command.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), MailTalk)
        self.got = []
        self.heard = []
        self.codes = {}
        self.features = ()
        self.encrypted = None


class MailTalk(socketserver.StreamRequestHandler):
    """One conversation (RFC 5321)."""

    def say(self, line):
        """Send one line."""
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self):
        """Talk until the client has enough."""
        self.say("220 here")
        while line := self.rfile.readline().decode().strip():
            verb = line.partition(" ")[0].upper()
            self.server.heard.append(verb)
            if verb in self.server.codes:
                self.say(f"{self.server.codes[verb]} no")
            elif verb == "STARTTLS":
                self.say("220 go on")
                self.connection = self.server.encrypted.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
            elif verb == "AUTH":
                self.say("235 welcome")
            elif verb == "EHLO" and self.server.features:
                *first, last = "here", *self.server.features
                for feature in first:
                    self.say(f"250-{feature}")
                self.say(f"250 {last}")
            elif verb == "DATA":
                self.say("354 go on")
                body = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    body += part
                self.server.got.append(body)
                self.say("250 kept")
            else:
                self.say("250 fine")

    def finish(self):
        """Hang up, encrypted or not."""
        super().finish()
        self.connection.close()


@contextmanager
def mail_server_running() -> Iterator[MailServer]:
    """Run a mail server."""
    server = MailServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
