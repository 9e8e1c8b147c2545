"""examples/flask/flask_sessions.py where requests meet, and where rest-sessions fails them."""

import unittest
from contextlib import contextmanager
from unittest import mock

import flask
from flask import session

import server
from flask_sessions import RestSessions
from rest_sessions import Client, SessionsUnavailable

setUpModule, tearDownModule = server.start, server.stop


class Site(unittest.TestCase):
    """A site of one view, which does what a test says."""

    def setUp(self):
        self.client = Client("flask", server.URL)
        self.addCleanup(self.client._pool.clear)
        self.app = flask.Flask("site")
        self.app.config.update(SESSION_COOKIE_NAME="sid", PROPAGATE_EXCEPTIONS=True)
        self.app.logger.disabled = True
        RestSessions(self.client).init_app(self.app)
        self.app.add_url_rule("/", view_func=lambda: self.view() or "done")
        self.browser = self.app.test_client()

    def ask(self, view, browser=None):
        """Send a request whose view is that."""
        outer, self.view = getattr(self, "view", None), view
        try:
            return (browser or self.browser).get("/")
        finally:
            self.view = outer

    def begin(self, **data):
        """Start a session with this data, and return its token."""
        self.assertEqual(self.ask(lambda: session.update(data)).status_code, 200)
        return self.token()

    def token(self):
        cookies = {cookie.name: cookie.value for cookie in self.browser.cookie_jar}
        return cookies.get("sid")

    def other(self, view):
        """Do something in another request of the same browser, now, in the middle of this one."""
        browser = self.app.test_client()
        browser.set_cookie("localhost", "sid", self.token())
        with self.app.app_context():
            self.assertEqual(self.ask(view, browser).status_code, 200)

    def data(self):
        return self.client.get(self.token())["d"]

    @contextmanager
    def outage(self):
        with mock.patch.object(self.client, "_base", "http://127.0.0.1:1/flask"):
            yield


class TestUsers(Site):
    def test_users_that_look_like_a_path(self):
        for user in (".", "..", "a/../b", "%2E"):
            token = self.client.create(user, {}, "::1")["token"]
            self.assertEqual([one["id"] for one in self.client.sessions_of(user)], [user])
            self.client.kill_user(user)
            self.assertIsNone(self.client.get(token))


class TestAtOnce(Site):
    def test_requests_that_change_different_keys_lose_nothing(self):
        self.begin(n=1, old=1, kept=0)

        def one():
            self.assertEqual(session["n"], 1)
            self.other(lambda: session.update(n=2, b=2))
            session["a"] = 1
            del session["old"]

        self.assertEqual(self.ask(one).status_code, 200)
        self.assertEqual(self.data(), {"n": 2, "kept": 0, "b": 2, "a": 1})

    def test_change_loses_nothing_of_a_key(self):
        self.begin(cart=["lamp"], gone=1)
        calls = []

        def add(cart):
            calls.append(cart)
            if len(calls) == 1:
                self.other(lambda: session.change("cart", lambda cart: [*cart, "pen"]))
            return [*cart, "desk"]

        def one():
            session["before"] = 1
            del session["gone"]
            session.change("cart", add)
            self.assertEqual(dict(session), {"cart": ["lamp", "pen", "desk"], "before": 1})
            session["after"] = 1

        self.assertEqual(self.ask(one).status_code, 200)
        self.assertEqual(calls, [["lamp"], ["lamp", "pen"]])
        self.assertEqual(self.data(), {"cart": ["lamp", "pen", "desk"], "before": 1, "after": 1})

    def test_a_session_that_has_ended_is_not_made_anew(self):
        for change in (lambda: session.update(a=2), lambda: session.change("a", lambda a: a + 1)):
            token = self.begin(a=1)

            def one():
                session["a"]
                self.client.kill(token)
                change()
                return flask.redirect("/elsewhere")

            answer = self.ask(one)
            self.assertEqual(answer.status_code, 401)
            self.assertIsNone(answer.location)
            self.assertIsNone(self.client.get(token))
            self.assertIsNone(self.token())


class TestData(Site):
    def test_changes_inside_of_a_value_are_sent(self):
        self.begin(tree={"a": [1]})
        self.ask(lambda: session["tree"]["a"].append(2))
        self.assertEqual(self.data(), {"tree": {"a": [1, 2]}})

    def test_what_has_not_changed_is_not_sent(self):
        self.begin(a=1)
        with mock.patch.object(self.client, "set") as sent:
            self.ask(lambda: (session.get("a"), session.update(a=1), setattr(session, "modified", True)) and None)
            self.ask(lambda: None)
        sent.assert_not_called()

    def test_none_removes_a_key(self):
        self.begin(a=1, b=1)
        self.ask(lambda: session.update(a=None))
        self.assertEqual(self.data(), {"b": 1})

    def test_flash(self):
        self.begin(a=1)
        self.ask(lambda: flask.flash("saved"))
        self.ask(lambda: self.assertEqual(flask.get_flashed_messages(), ["saved"]))
        self.assertEqual(self.data(), {"a": 1})

    def test_changes_before_a_login_are_kept(self):
        for prepare in (lambda: None, lambda: self.begin(cart=["lamp"])):
            self.browser = self.app.test_client()
            prepare()
            self.ask(lambda: (session.update(a=1), session.login("anna"), session.update(b=2)) and None)
            self.assertEqual(self.client.get(self.token())["id"], "anna")
            self.assertLessEqual({"a": 1, "b": 2}.items(), self.data().items())

    def test_too_much_data_is_413(self):
        token = self.begin(a=1)
        self.assertEqual(self.ask(lambda: session.update(a="x" * 59_000)).status_code, 200)
        answer = self.ask(lambda: session.update(b="x" * 59_000))
        self.assertEqual(answer.status_code, 413)
        self.assertEqual(self.token(), token)
        self.assertEqual(list(self.data()), ["a"])


class TestUnavailable(Site):
    def answers_503(self, answer, text="Try again in a moment."):
        self.assertEqual(answer.status_code, 503)
        self.assertEqual(answer.text, text)
        self.assertEqual(answer.content_length, len(text))
        self.assertNotIn("Set-Cookie", answer.headers)
        self.assertIsNone(answer.location)

    def test_when_it_is_saved(self):
        token = self.begin(a=1)

        def one():
            session["a"] = 2
            self.enterContext(self.outage())
            return flask.redirect("/elsewhere")

        answer = self.ask(one)
        self.answers_503(answer)
        self.assertEqual(answer.headers["Retry-After"], "5")
        self.assertEqual(self.token(), token)

    def test_the_page_of_the_site(self):
        self.app.register_error_handler(SessionsUnavailable, lambda error: ("Sorry", 503))
        self.begin(a=1)

        def one():
            session["a"] = 2
            self.enterContext(self.outage())

        self.answers_503(self.ask(one), "Sorry")
        self.answers_503(self.ask(lambda: session["a"] and None), "Sorry")

    def test_a_page_that_needs_no_session(self):
        self.begin(a=1)
        with self.outage():
            self.assertEqual(self.ask(lambda: None).status_code, 200)

    def test_one_that_is_met_once_is_not_asked_again(self):
        self.begin(a=1)
        asked = []

        def one():
            for _ in range(3):
                try:
                    session["a"]
                except SessionsUnavailable:
                    asked.append(True)

        with mock.patch.object(self.client, "get", side_effect=SessionsUnavailable) as get:
            self.ask(one)
        self.assertEqual(len(asked), 3)
        get.assert_called_once()
