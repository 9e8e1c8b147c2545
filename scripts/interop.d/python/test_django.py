"""examples/django/rest_sessions_django where requests meet, at a login, and what SessionBase promises."""

from unittest import mock

from django.contrib import auth
from django.contrib.sessions.backends.base import UpdateError

from django_site import Site, setUpModule, tearDownModule
from rest_sessions_django.store import SessionStore


class TestAtOnce(Site):
    def test_requests_that_change_different_keys_lose_nothing(self):
        self.begin(n=1, old=1, kept=0)

        def one(request):
            self.assertEqual(request.session["n"], 1)
            self.other(lambda request: request.session.update(dict(n=2, b=2)))
            request.session["a"] = 1
            del request.session["old"]

        self.assertEqual(self.ask(one).status_code, 200)
        self.assertEqual(self.data(), {"n": 2, "kept": 0, "b": 2, "a": 1})

    def test_change_loses_nothing_of_a_key(self):
        self.begin(cart=["lamp"], gone=1)
        calls = []

        def add(cart):
            calls.append(cart)
            if len(calls) == 1:
                self.other(lambda request: request.session.change("cart", lambda cart: [*cart, "pen"]))
            return [*cart, "desk"]

        def one(request):
            request.session["before"] = 1
            del request.session["gone"]
            request.session.change("cart", add)
            self.assertEqual(dict(request.session.items()), {"cart": ["lamp", "pen", "desk"], "before": 1})
            request.session["after"] = 1

        self.assertEqual(self.ask(one).status_code, 200)
        self.assertEqual(calls, [["lamp"], ["lamp", "pen"]])
        self.assertEqual(self.data(), {"cart": ["lamp", "pen", "desk"], "before": 1, "after": 1})

    def test_a_session_that_has_ended_is_not_made_anew(self):
        changes = (
            lambda session: session.update(dict(a=2)),
            lambda session: session.change("a", lambda a: a + 1),
            lambda session: session.cycle_key(),
            lambda session: session.set_expiry(300),
        )
        for change in changes:
            token = self.begin(a=1)

            def one(request):
                request.session["a"]
                self.client.kill(token)
                change(request.session)

            self.assertEqual(self.ask(one).status_code, 400)
            self.assertIsNone(self.client.get(token))
            self.assertEqual(self.token(), token, "no other session was made")
            self.ask(lambda request: request.session.get("a") and None)
            self.assertIsNone(self.token())


class TestLogin(Site):
    def test_one_call_moves_the_session(self):
        old = self.begin(cart=["lamp"])
        with mock.patch.object(self.client, "_call", wraps=self.client._call) as calls:
            self.ask(self.login)
        self.assertEqual([call.args[1] for call in calls.mock_calls], ["/get/-", "/rotate/-", "/set/-"])
        session = self.client.get(self.token())
        self.assertEqual((session["id"], session["d"]["cart"]), ("anna", ["lamp"]))
        self.assertIsNone(self.client.get(old))

    def test_one_call_makes_a_session(self):
        with mock.patch.object(self.client, "_call", wraps=self.client._call) as calls:
            self.ask(self.login)
        self.assertEqual([call.args[1] for call in calls.mock_calls], ["/create/anna"])

    def test_a_guest_whose_session_ends_meanwhile_is_logged_in(self):
        token = self.begin(cart=["lamp"])

        def one(request):
            request.session["cart"]
            self.client.kill(token)
            self.login(request)

        self.assertEqual(self.ask(one).status_code, 200)
        session = self.client.get(self.token())
        self.assertEqual((session["id"], session["d"]["cart"]), ("anna", ["lamp"]))

    def test_change_in_the_request_of_a_login_writes_nothing_of_it_under_the_old_token(self):
        token = self.begin(cart=["lamp"])

        def one(request):
            self.login(request)
            request.session.change("cart", lambda cart: [*cart, "pen"])
            self.assertEqual(self.client.get(token)["d"], {"cart": ["lamp", "pen"]})

        self.assertEqual(self.ask(one).status_code, 200)
        self.assertEqual(self.client.get(self.token())["id"], "anna")
        self.assertEqual(self.data()["_auth_user_id"], "anna")

    def test_who_another_part_of_the_site_has_logged_in_is_not_who_django_knew(self):
        self.ask(self.login)
        self.browser.cookies["sid"] = self.client.become(self.token(), "zoë/50%", "::1")["token"]
        self.ask(lambda request: self.assertFalse(request.user.is_authenticated))

    def test_a_login_takes_nothing_of_another_user_along(self):
        token = self.client.create("zoë/50%", {"secret": 1}, "::1")["token"]
        self.browser.cookies["sid"] = token
        self.ask(lambda request: (self.login(request), request.session.update(dict(a=1))) and None)
        self.assertEqual(self.client.get(self.token())["id"], "anna")
        self.assertEqual(self.data()["a"], 1)
        self.assertNotIn("secret", self.data())
        self.assertIsNone(self.client.get(token))

    def test_force_login_of_test_clients(self):
        self.browser.force_login(auth.get_backends()[0].get_user("anna"))
        self.ask(lambda request: self.assertEqual(request.user.pk, "anna"))


class TestStore(Site):
    def test_keys(self):
        session = SessionStore()
        session.save()
        key = session.session_key
        self.assertTrue(session.exists(key))
        self.assertEqual(self.client.get(key)["id"][:6], "guest-")
        self.assertFalse(session.exists("x" * 64))
        session["a"] = 1
        session.cycle_key()
        session.save()
        self.assertNotEqual(session.session_key, key)
        self.assertFalse(session.exists(key))
        self.assertEqual(SessionStore(session.session_key)["a"], 1)
        key = session.session_key
        session.create()
        self.assertNotEqual(session.session_key, key)
        self.assertTrue(session.exists(key))
        session.delete(key)
        self.assertFalse(session.exists(key))
        key = session.session_key
        session.flush()
        self.assertFalse(session.exists(key))
        self.assertIsNone(session.session_key)
        self.assertTrue(session.is_empty())
        SessionStore.clear_expired()

    def test_what_has_not_changed_is_not_sent(self):
        self.begin(a=1)
        with mock.patch.object(self.client, "set") as sent:
            self.ask(lambda request: request.session.update(dict(a=1)))
        sent.assert_not_called()

    def test_no_change_of_one_that_has_ended(self):
        session = SessionStore(self.begin(a=1))
        session["a"] = 2
        session.delete()
        self.assertRaises(UpdateError, session.save)

    def test_too_much_data_is_413(self):
        token = self.begin(a="x" * 59_000)
        self.assertEqual(self.ask(lambda request: request.session.update(dict(b="x" * 59_000))).status_code, 413)
        self.assertEqual(self.token(), token)
        self.assertEqual(list(self.data()), ["a"])
