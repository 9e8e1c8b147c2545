"""flask.session, kept in rest-sessions.

    rest_sessions = RestSessions(Client("shop"))
    rest_sessions.init_app(app)

The session is read when it is first used, and what has changed is sent once, at the end of
the request. session.user, login(), logout() and the like are for views.
"""

import secrets
import time

from flask import Response, current_app, request
from flask.sessions import SessionInterface, SessionMixin

from rest_sessions import (
    RETRY_AFTER, SessionsRefused, SessionsUnavailable, changes, merged, texts,
)

GUEST = "guest-"  # no user may have an id that begins so


class SessionEnded(Exception):
    """The session has ended since this request began: not to be made anew."""


class Session(SessionMixin):
    """A visitor's session: a mapping whose values are JSON. An empty one is not kept."""

    def __init__(self, settings, token, ip):
        self._client, self._settings, self._ip = settings.client, settings, ip
        self.token = token
        self.cookie_expires = None  # to be sent to the browser, if not None
        self.ended = False  # the browser's token is worth nothing
        self.error = None  # a SessionsUnavailable, once there was one
        self.accessed = False
        self._loaded = token is None
        self._take({})

    def __getitem__(self, key):
        return self._load()[key]

    def __setitem__(self, key, value):
        self._load()[key] = value

    def __delitem__(self, key):
        del self._load()[key]

    def __iter__(self):
        return iter(self._load())

    def __len__(self):
        return len(self._load())

    @property
    def user(self):
        """The id of the user who has logged in, or None."""
        self._load()
        return None if self._id is None or self._id.startswith(GUEST) else self._id

    @property
    def handle(self):
        """The public name of this session, as in devices()."""
        self._load()
        return self._handle

    @property
    def modified(self):
        return self._loaded and changes(self._before, self._data) != {}

    @modified.setter
    def modified(self, value):
        """What has changed is seen without being told, also inside of a value."""

    def change(self, key, function):
        """Set a value that depends on its old one, and lose none that other requests set."""
        value = self._load().get(key)
        if self.token is None:
            self._data[key] = function(value)
            return
        pending = changes(self._before, self._data)
        pending.pop(key, None)
        session = self._ask(self._client.change, self.token, key, function, self._w, value)
        if session is None:
            self._end()
            raise SessionEnded
        self._take(session)
        self._data = merged(self._data, pending)

    def login(self, user):
        """Call it once the password is right. A guest's data stays, another user's does not."""
        self._load()
        options = {"max_sessions": self._settings.max_sessions}
        moved = None
        if self._id is not None and self.user in (None, user):
            moved = self._ask(self._client.become, self.token, user, self._ip, **options)
        if moved is None:
            other = self.token if self.user not in (None, user) else None
            data = {} if other else {k: v for k, v in self._data.items() if v is not None}
            moved = self._ask(self._client.create, user, data, self._ip, ttl=self._settings.ttl, **options)
            if other:
                self._ask(self._client.kill, other)
            self._take({"w": 1, "d": data})
        self._id = user
        self._given(moved)

    def logout(self):
        """End this session."""
        self._load()
        if self.token is not None:
            self._ask(self._client.kill, self.token)
        self._end()

    def logout_everywhere(self):
        """End all sessions of the user."""
        if self.user is None:
            return self.logout()
        self._ask(self._client.kill_user, self.user)
        self._end()

    def devices(self):
        return self._ask(self._client.sessions_of, self.user)

    def end_device(self, handle):
        """End the one of the user's own sessions that has this handle."""
        self._ask(self._client.kill_user, self.user, handle)

    def save(self):
        """Send what has changed."""
        pending = changes(self._before, self._data)
        if pending and self.token is None:
            self._id = GUEST + secrets.token_hex(16)
            self._given(self._ask(self._client.create, self._id, pending, self._ip, ttl=self._settings.ttl))
        elif pending and self._ask(self._client.set, self.token, pending) is None:
            self._end()
            raise SessionEnded

    def _load(self):
        self.accessed = True
        if self._loaded:
            return self._data
        session = self._ask(self._client.get, self.token)
        self._loaded = True
        if session is None:
            self._end()
            return self._data
        self._take(session)
        # The end of the cookie follows that of the session, once in an eighth of its ttl.
        now, period = int(time.time()), max(session["ttl"] // 8, 1)
        if now // period != (now - session["idle"]) // period:
            self.cookie_expires = session["expires"]
        return self._data

    def _ask(self, call, *args, **options):
        if self.error is not None:
            raise self.error  # The visitor has waited once.
        try:
            return call(*args, **options)
        except SessionsUnavailable as error:
            self.error = error
            raise

    def _take(self, session):
        self._id, self._w = session.get("id"), session.get("w")
        self._handle = session.get("handle")
        self._data = session.get("d", {})
        self._before = texts(self._data)

    def _given(self, new):
        self.token, self._handle, self.cookie_expires = new["token"], new["handle"], new["expires"]

    def _end(self):
        self._take({})
        self.token, self.cookie_expires, self.ended, self._loaded = None, None, True, True


ERRORS = (SessionsUnavailable, SessionsRefused, SessionEnded)


class RestSessions(SessionInterface):
    """ttl is the seconds without a visit that end a session, max_sessions how many a user has."""

    def __init__(self, client, ttl=30 * 24 * 3600, max_sessions=10):
        self.client, self.ttl, self.max_sessions = client, ttl, max_sessions

    def init_app(self, app):
        app.session_interface = self
        for error in ERRORS:
            app.register_error_handler(error, self.failed)

    def open_session(self, app, request):
        return Session(self, request.cookies.get(self.get_cookie_name(app)), request.remote_addr or "unknown")

    def save_session(self, app, session, response):
        if session.accessed:
            response.vary.add("Cookie")
        if session.error is None:
            try:
                session.save()
            except ERRORS as error:
                self._replace(response, app.make_response(app.handle_user_exception(error)))
        if session.error is not None:
            return
        name = self.get_cookie_name(app)
        options = {
            "domain": self.get_cookie_domain(app), "path": self.get_cookie_path(app), "httponly": True,
            "secure": self.get_cookie_secure(app) or request.is_secure, "samesite": self.get_cookie_samesite(app) or "Lax",
        }
        if session.token is not None and session.cookie_expires is not None:
            max_age = max(session.cookie_expires - int(time.time()), 1)
            response.set_cookie(name, session.token, max_age=max_age, **options)
        elif session.ended:
            response.delete_cookie(name, **options)

    def failed(self, error):
        """The answer to an error, unless the site has an error handler of its own."""
        if isinstance(error, SessionEnded):
            return Response("Your session has ended.", 401)
        current_app.logger.error("rest-sessions: %s", error)
        if isinstance(error, SessionsRefused):
            return Response("That cannot be kept in your session.", error.status)
        return Response("Try again in a moment.", 503, {"Retry-After": str(RETRY_AFTER)})

    @staticmethod
    def _replace(response, other):
        for name in ("Location", "ETag", "Content-Encoding"):
            response.headers.pop(name, None)
        response.status, response.data = other.status, other.data
        response.headers.update(other.headers)
