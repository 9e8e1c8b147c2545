"""A shop whose visitors have sessions in rest-sessions."""

import os
import re

from flask import Flask, jsonify, redirect, request, session
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_sessions import RestSessions
from rest_sessions import Client

# A real site keeps hashes of passwords.
PASSWORDS = {"anna": "secret", "zoë/50%": "secret"}

app = Flask(__name__)
app.config["SESSION_COOKIE_NAME"] = "sid"
# The proxy before the site says what the visitor's address is, and whether he came by https.
app.wsgi_app = ProxyFix(app.wsgi_app)
url = os.environ.get("SESSIONS_URL", "http://127.0.0.1:3000")
RestSessions(Client("shop", url, os.environ.get("SESSIONS_KEY"))).init_app(app)


@app.get("/")
def home():
    return jsonify(user=session.user, cart=session.get("cart", []))


@app.post("/cart")
def add_to_cart():
    item = request.form.get("item")
    if not item:
        return "no item", 400
    session.change("cart", lambda cart: [*(cart or []), item])
    return redirect("/", 303)


@app.post("/login")
def login():
    user, password = request.form.get("user"), request.form.get("password")
    if password is None or PASSWORDS.get(user) != password:
        return "wrong user or password", 403
    session.login(user)
    return redirect("/", 303)


@app.get("/devices")
def devices():
    if session.user is None:
        return "log in first", 401
    keys = ("handle", "ip", "created", "expires", "idle")
    return jsonify([
        {**{key: device.get(key) for key in keys}, "current": device["handle"] == session.handle}
        for device in session.devices()
    ])


@app.post("/devices/end")
def end_device():
    if session.user is None:
        return "log in first", 401
    handle = request.form.get("handle", "")
    if not re.fullmatch("[0-9A-Za-z]{22}", handle):
        return "no handle", 400
    session.end_device(handle)
    return redirect("/devices", 303)


@app.post("/logout")
def logout():
    session.logout()
    return redirect("/", 303)


@app.post("/logout/everywhere")
def logout_everywhere():
    session.logout_everywhere()
    return redirect("/", 303)


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ.get("PORT", "8000")))
