from django.contrib.auth.backends import BaseBackend

from .models import User

# A real site keeps hashes of passwords.
PASSWORDS = {"anna": "secret", "zoë/50%": "secret"}


class Backend(BaseBackend):
    def authenticate(self, request, username=None, password=None):
        if password is not None and PASSWORDS.get(username) == password:
            return self.get_user(username)

    def get_user(self, name):
        if name in PASSWORDS:
            return User(name=name, password=PASSWORDS[name])
