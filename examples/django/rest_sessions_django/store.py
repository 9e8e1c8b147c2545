"""A session store for SESSION_ENGINE. The session key is the token of rest-sessions."""

import functools
import secrets
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import SESSION_KEY as USER
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.utils import timezone

from rest_sessions import TOKEN, Client, SessionsUnavailable, changes, merged, texts

GUEST = "guest-"  # no user's primary key may begin so
EXPIRY = "_session_expiry"
SHORTEST = 10  # seconds, the least ttl that rest-sessions takes
NEVER = 10**10  # seconds


@functools.lru_cache(maxsize=None)
def client():
    options = settings.REST_SESSIONS
    return Client(options["APP"], options.get("URL") or "http://127.0.0.1:3000", options.get("KEY"))


class SessionStore(SessionBase):
    """Values are JSON whatever SESSION_SERIALIZER says, for other languages to read."""

    ip = "unknown"  # of the visitor; the middleware sets it

    def __init__(self, session_key=None):
        super().__init__(session_key)
        self.error = None  # a SessionsUnavailable, once there was one
        self._forget()

    # What SessionBase asks for.

    def load(self):
        session = self._ask("get", self.session_key)
        if session is None:
            self._session_key = None
            return {}
        # The end of the cookie follows that of the session, once in an eighth of its ttl:
        # the middleware sets the cookie of a session that is modified.
        now, period = int(time.time()), max(session["ttl"] // 8, 1)
        if now // period != (now - session["idle"]) // period:
            self.modified = True
        return self._take(session)

    def exists(self, session_key):
        return self._ask("get", session_key, touch=False) is not None

    def create(self):
        self._session_key = None
        self._forget()
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create=False):
        """Send what has changed. A login moves the session to the user, under a new key."""
        data = self._get_session(no_load=must_create)
        user, old = data.get(USER), self.session_key
        if must_create or old is None:
            return self._start(data)
        pending = changes(self._before, data)
        if user is not None and user != self._owner:
            if not self._owner.startswith(GUEST):
                # Another part of the site has logged in somebody else, whose data stays his.
                self._start(merged({}, pending))
                return self.delete(old)
            moved = self._ask("become", old, user, self.ip, **self._limit(user))
            if moved is None:
                return self._start(data)
            self._given(moved, user)
        elif self._cycle:
            self._given(self._found(self._ask("rotate", old)), self._owner)
        if EXPIRY in pending:
            self._found(self._ask("touch", self.session_key, **self._times(data, self._before)))
        if pending:
            session = self._found(self._ask("set", self.session_key, pending))
            self._w, self._expires = session["w"], session["expires"]
        self._before = texts(data)

    def delete(self, session_key=None):
        if session_key or self.session_key:
            self._ask("kill", session_key or self.session_key)

    def flush(self):
        super().flush()
        self._forget()

    def cycle_key(self):
        """Have save() give the session a new key. A login needs but one call then."""
        self._session  # read it while its key is worth something
        self._cycle = True
        self.modified = True

    @classmethod
    def clear_expired(cls):
        """Nothing to do: rest-sessions removes sessions that have ended."""

    def _validate_session_key(self, key):
        return key is not None and TOKEN.fullmatch(key)

    # When the session ends.

    def set_expiry(self, value):
        if isinstance(value, timedelta):
            value = timezone.now() + value
        super().set_expiry(value.isoformat() if isinstance(value, datetime) else value)

    def get_expiry_age(self, **kwargs):
        """Seconds until the session ends if nobody uses it, as rest-sessions says if it knows."""
        expiry = texts(self._session).get(EXPIRY)
        if not kwargs and self._expires is not None and expiry == self._before.get(EXPIRY):
            return max(self._expires - int(time.time()), 0)
        return super().get_expiry_age(**self._with_expiry(kwargs))

    def get_expiry_date(self, **kwargs):
        if not kwargs:
            return timezone.now() + timedelta(seconds=self.get_expiry_age())
        return super().get_expiry_date(**self._with_expiry(kwargs))

    # Beyond Django's.

    @property
    def handle(self):
        """The public name of this session, as in devices()."""
        self._session
        return self._handle

    def change(self, key, function):
        """Set a value that depends on its old one, and lose none that other requests set."""
        value = self.get(key)
        if self.session_key is None:
            self[key] = function(value)
            return
        pending = changes(self._before, self._session)
        pending.pop(key, None)
        session = self._ask("change", self.session_key, key, function, self._w, value)
        if session is None:
            raise SessionInterrupted("The session has ended.")  # Django answers 400, as after UpdateError.
        self._session_cache = merged(self._take(session), pending)

    def devices(self):
        """All sessions of the user who has logged in."""
        return self._ask("sessions_of", self[USER])

    def end_device(self, handle):
        """End the one of the user's own sessions that has this handle."""
        self._ask("kill_user", self[USER], handle)

    def end_all(self):
        """End all sessions of the user, this one too. django.contrib.auth.logout() is to follow."""
        self._ask("kill_user", self[USER])

    def _forget(self):
        self._owner = self._handle = self._w = self._expires = None
        self._before, self._cycle = {}, False

    def _take(self, session):
        self._owner, self._handle = session["id"], session["handle"]
        self._w, self._expires = session["w"], session["expires"]
        data = session.get("d", {})
        self._before = texts(data)
        if data.get(USER, self._owner) != self._owner:
            # Another part of the site has made it somebody else's.
            data = {key: value for key, value in data.items() if not key.startswith("_auth_user_")}
        return data

    def _start(self, data):
        user = data.get(USER) or GUEST + secrets.token_hex(16)
        options = {**self._times(data), **self._limit(data.get(USER))}
        self._given(self._ask("create", user, merged({}, data), self.ip, **options), user)
        self._session_cache, self._before, self._w = data, texts(data), 1

    def _given(self, new, owner):
        self._session_key, self._owner, self._cycle = new["token"], owner, False
        self._handle, self._expires = new["handle"], new["expires"]

    def _limit(self, user):
        limit = settings.REST_SESSIONS.get("MAX_SESSIONS")
        return {"max_sessions": limit} if user and limit else {}

    def _times(self, data, before=None):
        """The ttl, and the end at a date if that is, or was, what set_expiry() wants."""
        age = super().get_expiry_age(**self._with_expiry({"expiry": data.get(EXPIRY)}))
        times = {"ttl": max(age, SHORTEST)}
        if isinstance(data.get(EXPIRY), str):
            times["max_age"] = times["ttl"]
        elif (before or {}).get(EXPIRY, "").startswith('"'):
            times["max_age"] = NEVER
        return times

    def _with_expiry(self, kwargs):
        expiry = kwargs.get("expiry", self.get(EXPIRY))
        return {**kwargs, "expiry": datetime.fromisoformat(expiry) if isinstance(expiry, str) else expiry}

    def _ask(self, call, *args, **options):
        if self.error is not None:
            raise self.error  # The visitor has waited once.
        try:
            return getattr(client(), call)(*args, **options)
        except SessionsUnavailable as error:
            self.error = error
            raise

    def _found(self, answer):
        if answer is None:
            raise UpdateError  # Ended while this request ran: not to be made anew.
        return answer
