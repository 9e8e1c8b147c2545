import os

from django.core.management.utils import get_random_secret_key

# Of a real site it is kept, and the same for all processes: a new one logs everybody out.
SECRET_KEY = os.environ.get("SECRET_KEY") or get_random_secret_key()
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "shop"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True

SESSION_ENGINE = "rest_sessions_django.store"
REST_SESSIONS = {
    "APP": "shop",
    "URL": os.environ.get("SESSIONS_URL"),
    "KEY": os.environ.get("SESSIONS_KEY"),
    "MAX_SESSIONS": 10,
}
SESSION_COOKIE_NAME = "sid"
SESSION_COOKIE_AGE = 30 * 24 * 3600
# The proxy before the site says whether the visitor came by https.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

MIDDLEWARE = [
    "rest_sessions_django.middleware.SessionMiddleware",
    # A site with forms has django.middleware.csrf.CsrfViewMiddleware here.
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

# Users are in memory. Those of a database need nothing else: their primary key is the id in rest-sessions.
AUTH_USER_MODEL = "shop.User"
AUTHENTICATION_BACKENDS = ["shop.users.Backend"]
