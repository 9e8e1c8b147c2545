from django.contrib.auth.models import AbstractBaseUser
from django.db import models


class User(AbstractBaseUser):
    """A user whose name is the primary key, and so the id in rest-sessions."""

    name = models.CharField(max_length=128, primary_key=True)
    last_login = None  # there is no database

    USERNAME_FIELD = "name"
    REQUIRED_FIELDS = []
