"""Django's SessionMiddleware, and what to answer when nothing is known of a session."""

import logging

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpResponse

from rest_sessions import RETRY_AFTER, SessionsRefused, SessionsUnavailable

ERRORS = (SessionsUnavailable, SessionsRefused)


class SessionMiddleware(DjangoSessionMiddleware):
    def process_request(self, request):
        super().process_request(request)
        request.session.ip = self.visitor_ip(request)

    def process_exception(self, request, exception):
        if isinstance(exception, ERRORS):
            return self.failed(exception)

    def process_response(self, request, response):
        session = getattr(request, "session", None)
        if session is None:
            return response
        # Once the store was not reached, no page is right, and the cookie is left alone, even
        # if a view went on without a session.
        if session.error is None:
            try:
                response = super().process_response(request, response)
            except SessionsUnavailable:
                pass
            except SessionsRefused as error:
                response = self.failed(error)
        if session.error is not None:
            return self.failed(session.error)
        if request.is_secure() and settings.SESSION_COOKIE_NAME in response.cookies:
            response.cookies[settings.SESSION_COOKIE_NAME]["secure"] = True
        return response

    def visitor_ip(self, request):
        """The address as the proxy before the site has appended it; without a proxy use REMOTE_ADDR alone."""
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")[-1].strip()
        return forwarded or request.META.get("REMOTE_ADDR") or "unknown"

    def failed(self, error):
        logging.getLogger(__name__).error("rest-sessions: %s", error)
        if isinstance(error, SessionsRefused):
            return HttpResponse("That cannot be kept in your session.", status=error.status)
        response = HttpResponse("Try again in a moment.", status=503)
        response["Retry-After"] = str(RETRY_AFTER)
        return response
