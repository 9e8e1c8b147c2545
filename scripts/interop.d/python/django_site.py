"""A Django site of one view for the tests of examples/django, with a rest-sessions of its own."""

import logging
import os
import unittest
from contextlib import contextmanager
from unittest import mock

os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"

import django
from django.conf import settings
from django.contrib import auth
from django.http import HttpResponse
from django.test import Client as Browser
from django.test.utils import override_settings
from django.urls import path

import server
from rest_sessions_django import store

view = None
urlpatterns = [path("", lambda request: view(request) or HttpResponse("done"))]


def setUpModule():
    server.start()
    settings.REST_SESSIONS["URL"] = server.URL
    store.client.cache_clear()
    django.setup()
    logging.disable()


def tearDownModule():
    store.client()._pool.clear()
    server.stop()


class Site(unittest.TestCase):
    """A site of one view, which does what a test says."""

    def setUp(self):
        self.client = store.client()
        self.browser = Browser()
        self.enterContext(override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"]))

    def ask(self, function, browser=None):
        """Send a request whose view is that."""
        global view
        outer, view = view, function
        try:
            return (browser or self.browser).get("/")
        finally:
            view = outer

    def begin(self, **data):
        """Start a session with this data, and return its token."""
        self.assertEqual(self.ask(lambda request: request.session.update(data)).status_code, 200)
        return self.token()

    def token(self):
        cookie = self.browser.cookies.get("sid")
        return cookie.value or None if cookie else None

    def other(self, function):
        """Do something in another request of the same browser, now, in the middle of this one."""
        browser = Browser()
        browser.cookies["sid"] = self.token()
        self.assertEqual(self.ask(function, browser).status_code, 200)

    def data(self):
        return self.client.get(self.token()).get("d", {})

    @contextmanager
    def outage(self):
        with mock.patch.object(self.client, "_base", "http://127.0.0.1:1/shop"):
            yield

    def login(self, request, name="anna"):
        auth.login(request, auth.authenticate(request, username=name, password="secret"))
