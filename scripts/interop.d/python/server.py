"""A rest-sessions for the tests of a module: INTEROP_PROGRAM on the embedded engine."""

import os
import re
import signal
import subprocess

URL = None
_server = None


def start():
    global URL, _server
    env = {"RS_HOST": "127.0.0.1", "RS_PORT": "0", "RS_STORE": "embedded", "RS_LOGLEVEL": "none"}
    _server = subprocess.Popen([os.environ["INTEROP_PROGRAM"]], env=env, stderr=subprocess.PIPE, text=True)
    for line in _server.stderr:
        if found := re.search(r"listens on (http://[^ ,]*)", line):
            URL = found[1]
            return
    raise RuntimeError("the server ended at its start")


def stop():
    _server.send_signal(signal.SIGINT)  # at once: TERM gives load balancers a grace
    _server.wait(20)
    _server.stderr.close()
