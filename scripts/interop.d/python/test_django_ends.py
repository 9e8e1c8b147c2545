"""examples/django/rest_sessions_django: when a session ends, and when nothing is known of it."""

import time
from datetime import timedelta
from unittest import mock

from django.conf import settings
from django.contrib import auth
from django.http import HttpResponse
from django.utils import timezone

from django_site import Site, setUpModule, tearDownModule
from rest_sessions_django.store import SessionStore


class TestExpiry(Site):
    def lives(self, seconds, ttl):
        """Want that rest-sessions, the store and the cookie agree."""
        session = self.client.get(self.token())
        self.assertAlmostEqual(session["expires"] - time.time(), seconds, delta=3)
        self.assertEqual(session["ttl"], ttl) if ttl else None
        loaded = SessionStore(self.token())
        self.assertAlmostEqual(loaded.get_expiry_age(), seconds, delta=3)
        self.assertAlmostEqual(loaded.get_expiry_date(), timezone.now() + timedelta(seconds=seconds), delta=timedelta(seconds=3))

    def max_age(self, answer):
        return answer.cookies["sid"]["max-age"]

    def test_seconds_dates_and_none(self):
        month = settings.SESSION_COOKIE_AGE
        self.begin(a=1)
        self.lives(month, month)
        answer = self.ask(lambda request: request.session.set_expiry(300))
        self.assertEqual(self.max_age(answer), 300)
        self.lives(300, 300)
        answer = self.ask(lambda request: request.session.set_expiry(timedelta(hours=1)))
        self.assertAlmostEqual(self.max_age(answer), 3600, delta=3)
        self.lives(3600, None)
        answer = self.ask(lambda request: request.session.set_expiry(timezone.now() + timedelta(days=1)))
        self.assertAlmostEqual(self.max_age(answer), 86400, delta=3)
        self.lives(86400, None)
        answer = self.ask(lambda request: request.session.set_expiry(None))
        self.assertEqual(self.max_age(answer), month)
        self.lives(month, month)
        answer = self.ask(lambda request: request.session.set_expiry(0))
        self.assertEqual(self.max_age(answer), "")
        self.lives(month, month)

    def test_of_a_new_session(self):
        answer = self.ask(lambda request: (request.session.update(dict(a=1)), request.session.set_expiry(timedelta(hours=1))) and None)
        self.assertAlmostEqual(self.max_age(answer), 3600, delta=3)
        self.lives(3600, None)

    def test_of_a_session_that_another_part_of_the_site_made(self):
        self.browser.cookies["sid"] = self.client.create("anna", {}, "::1", ttl=1000, max_age=500)["token"]
        self.lives(500, 1000)


class TestUnavailable(Site):
    def answers_503(self, function):
        answer = self.ask(function)
        self.assertEqual(answer.status_code, 503)
        self.assertEqual(answer["Retry-After"], "5")
        self.assertFalse(answer.cookies)

    def test_when_it_is_saved(self):
        self.begin(a=1)

        def one(request):
            request.session["a"] = 2
            self.enterContext(self.outage())

        self.answers_503(one)

    def test_a_view_that_goes_on_without_a_session(self):
        self.begin(a=1)

        def one(request):
            for _ in range(3):
                try:
                    request.session["a"]
                except Exception:
                    pass
            return HttpResponse("Hello, stranger")

        with self.outage(), mock.patch.object(self.client, "_call", wraps=self.client._call) as calls:
            self.answers_503(one)
        calls.assert_called_once()

    def test_a_page_that_needs_no_session(self):
        self.begin(a=1)
        with self.outage():
            self.assertEqual(self.ask(lambda request: None).status_code, 200)

    def test_a_logout_that_is_not_heard(self):
        self.ask(self.login)
        token = self.token()

        def one(request):
            self.assertTrue(request.user.is_authenticated)
            with self.outage():
                auth.logout(request)

        self.answers_503(one)
        self.assertEqual(self.token(), token)
        self.ask(lambda request: self.assertEqual(request.user.pk, "anna"))
