"""Django's sessions, kept in rest-sessions: SESSION_ENGINE and a middleware.

    SESSION_ENGINE = "rest_sessions_django.store"
    MIDDLEWARE = ["rest_sessions_django.middleware.SessionMiddleware", …]
    REST_SESSIONS = {"APP": "shop", "URL": "http://127.0.0.1:3000", "KEY": None, "MAX_SESSIONS": 10}
"""
