from django.urls import path

from . import views

urlpatterns = [
    path("", views.home),
    path("cart", views.add_to_cart),
    path("login", views.login),
    path("devices", views.devices),
    path("devices/end", views.end_device),
    path("logout", views.logout),
    path("logout/everywhere", views.logout_everywhere),
]
