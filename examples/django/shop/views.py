"""A shop whose visitors have sessions in rest-sessions."""

import re

from django.contrib import auth
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_GET, require_POST


def see_other(path):
    return HttpResponse(status=303, headers={"Location": path})


@require_GET
def home(request):
    user = request.user.pk if request.user.is_authenticated else None
    return JsonResponse({"user": user, "cart": request.session.get("cart", [])})


@require_POST
def add_to_cart(request):
    item = request.POST.get("item")
    if not item:
        return HttpResponse("no item", status=400)
    request.session.change("cart", lambda cart: [*(cart or []), item])
    return see_other("/")


@require_POST
def login(request):
    user = auth.authenticate(request, username=request.POST.get("user"), password=request.POST.get("password"))
    if user is None:
        return HttpResponse("wrong user or password", status=403)
    auth.login(request, user)
    return see_other("/")


@require_GET
def devices(request):
    if not request.user.is_authenticated:
        return HttpResponse("log in first", status=401)
    keys = ("handle", "ip", "created", "expires", "idle")
    return JsonResponse([
        {**{key: device.get(key) for key in keys}, "current": device["handle"] == request.session.handle}
        for device in request.session.devices()
    ], safe=False)


@require_POST
def end_device(request):
    if not request.user.is_authenticated:
        return HttpResponse("log in first", status=401)
    handle = request.POST.get("handle", "")
    if not re.fullmatch("[0-9A-Za-z]{22}", handle):
        return HttpResponse("no handle", status=400)
    request.session.end_device(handle)
    return see_other("/devices")


@require_POST
def logout(request):
    auth.logout(request)
    return see_other("/")


@require_POST
def logout_everywhere(request):
    if request.user.is_authenticated:
        request.session.end_all()
    auth.logout(request)
    return see_other("/")
