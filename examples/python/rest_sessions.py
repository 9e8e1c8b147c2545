"""A client of rest-sessions, for any Python web framework.

Each call tells three things apart: an answer; None, there is no such session; and an
exception, SessionsUnavailable if nothing is known of the session now.
"""

import json
import re
from urllib.parse import quote, urlencode

import urllib3

TOKEN = re.compile(r"[A-Za-z0-9]{64}")
DETAILS = "handle,created,expires"
RETRY_AFTER = 5  # seconds, for the answer 503


class SessionsUnavailable(Exception):
    """Nothing is known of the session now. Answer 503 and leave the visitor's cookie alone."""


class SessionsRefused(Exception):
    """The site asked for something wrong, for instance for too much data (413)."""

    def __init__(self, status, name, message):
        super().__init__(f"{name}: {message}")
        self.status = status


class SessionsConflict(Exception):
    """Another request has changed the session since it was read. session is how it is now."""

    def __init__(self, session):
        super().__init__("changed by another request")
        self.session = session


class Client:
    """Asks one rest-sessions about one app. Threads may share it."""

    def __init__(self, app, url="http://127.0.0.1:3000", key=None, timeout=2.0, connections=32):
        self._base = f"{url}/{app}"
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        # No retries: a write whose answer was lost may have been done.
        self._pool = urllib3.PoolManager(
            maxsize=connections, retries=False, timeout=urllib3.Timeout(total=timeout, connect=0.5)
        )

    def get(self, token, touch=True):
        """Read a session, a dict with id, w, ttl, idle, ip, handle, expires and perhaps d."""
        query = {"with": DETAILS} if touch else {"with": DETAILS, "touch": "false"}
        return self._call("GET", "/get/-", "id", query, token)

    def create(self, user, data, ip, **options):
        """Start a session and return token, handle, expires. Options: ttl, max_age, max_sessions."""
        query = {"ip": ip, "with": DETAILS, **options}
        return self._call("PUT", f"/create/{segment(user)}", "token", query, body=data)

    def set(self, token, changes, if_w=None):
        """Merge changes into the data; None removes a key. With if_w it may raise SessionsConflict."""
        query = {"with": DETAILS} if if_w is None else {"with": DETAILS, "if_w": if_w}
        return self._call("POST", "/set/-", "id", query, token, changes)

    def change(self, token, key, function, w, value):
        """Set a value that depends on its old one, which was read with w. Nothing that others set is lost."""
        for _ in range(10):
            try:
                return self.set(token, {key: function(value)}, if_w=w)
            except SessionsConflict as conflict:
                w, value = conflict.session["w"], conflict.session.get("d", {}).get(key)
        raise SessionsUnavailable("too many requests change this session")

    def become(self, token, user, ip, **options):
        """Make the session the user's, under a new token; the old one is dead. Options: max_sessions."""
        query = {"id": user, "ip": ip, "with": DETAILS, **options}
        return self._call("POST", "/rotate/-", "token", query, token)

    def rotate(self, token):
        """Give the session a new token; the old one is dead."""
        return self._call("POST", "/rotate/-", "token", {"grace": 0, "with": DETAILS}, token)

    def touch(self, token, **options):
        """Restart the idle time. Options: ttl, max_age."""
        return self._call("POST", "/touch/-", "id", {"with": DETAILS, **options}, token)

    def kill(self, token):
        """End a session. That there is none is no error."""
        self._call("DELETE", "/kill/-", "kill", {}, token)

    def sessions_of(self, user):
        query = {"with": DETAILS}
        return self._call("GET", f"/soid/{segment(user)}", "sessions", query)["sessions"]

    def kill_user(self, user, handle=None):
        """End all sessions of a user, or the one that has the handle."""
        query = {} if handle is None else {"handle": handle}
        self._call("DELETE", f"/killsoid/{segment(user)}", "kill", query)

    def _call(self, method, path, member, query, token=None, body=None):
        headers = dict(self._headers)
        if token is not None:
            if not TOKEN.fullmatch(token):
                return None
            headers["X-Session-Token"] = token
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body, allow_nan=False).encode()
        try:
            answer = self._pool.request(
                method, f"{self._base}{path}?{urlencode(query)}", headers=headers, body=body
            )
            status, answer = answer.status, json.loads(answer.data)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise SessionsUnavailable(f"{method} {path}: {error!r}") from error
        if not isinstance(answer, dict):
            raise SessionsUnavailable(f"{method} {path}: {status}, a strange answer")
        if status == 409 and "session" in answer:
            raise SessionsConflict(answer["session"])
        if status in (400, 413) and "name" in answer:
            raise SessionsRefused(status, answer["name"], answer.get("message"))
        # A page of a proxy, say, must not pass for "no such session".
        if status != 200 or (answer and member not in answer):
            raise SessionsUnavailable(f"{method} {path}: {status} {answer.get('name')}")
        return answer or None


def segment(user):
    """The user's id for a path. urllib3 takes . and .. for directories, but not %2E."""
    return quote(user, safe="").replace(".", "%2E")


def texts(data):
    """The values of a session's data as JSON, to compare with. None is as good as no value."""
    return {key: json.dumps(value, sort_keys=True) for key, value in data.items() if value is not None}


def changes(before, data):
    """What to set so that data of the texts before becomes data. None removes a key."""
    now = texts(data)
    changed = {key: data[key] for key, text in now.items() if before.get(key) != text}
    return {**changed, **{key: None for key in before if key not in now}}


def merged(data, changed):
    """The data after the changes."""
    return {key: value for key, value in {**data, **changed}.items() if value is not None}
