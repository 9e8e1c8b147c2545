'use strict';
// A browser as a site of examples/ sees it: it keeps the cookie sid, and sends forms.

const assert = require('node:assert/strict');
const { ask } = require('./programs.js');

// parse takes a Set-Cookie apart: its name, its value and its attributes in lower case.
const parse = (header) => {
  const [pair, ...rest] = header.split(/;\s*/);
  const [, name, value] = /^([^=]*)="?([^"]*)"?$/.exec(pair);
  const attributes = Object.fromEntries(rest.map((each) => {
    const [attribute, text = true] = each.split(/=(.*)/s);
    return [attribute.toLowerCase(), text];
  }));
  const maxAge = attributes['max-age'] === undefined ? undefined : Number(attributes['max-age']);
  const ended = maxAge !== undefined ? maxAge <= 0 : attributes.expires !== undefined && Date.parse(attributes.expires) <= Date.now();
  return { name, value, attributes, maxAge, ended };
};

class Browser {
  // port is that of the site; headers go with every request; log() is what the site has logged.
  constructor(port, headers = {}, log = () => '') {
    this.port = port;
    this.headers = headers;
    this.log = log;
    this.token = undefined;
  }

  // request sends a request and returns {status, headers, text, cookie}: the cookie is the
  // one sid that was set or cleared, if one was.
  async request(method, target, form) {
    const headers = { ...this.headers };
    if (this.token !== undefined) headers.Cookie = `lang=en; sid=${this.token}`;
    if (form) headers['Content-Type'] = 'application/x-www-form-urlencoded';
    const a = await ask(this.port, target, { method, headers, body: form && String(new URLSearchParams(form)) });
    assert.notEqual(a.status, 500, `${method} ${target}: ${this.log().slice(-4000)}`);
    const set = (a.headers['set-cookie'] ?? []).map(parse).filter(({ name }) => name === 'sid');
    assert.ok(set.length <= 1, `${method} ${target} sets sid ${set.length} times`);
    const [cookie] = set;
    if (cookie) {
      assert.equal(cookie.attributes.path, '/', 'Path');
      assert.equal(cookie.attributes.domain, undefined, 'Domain');
      this.token = cookie.ended ? undefined : cookie.value;
    }
    return { ...a, cookie };
  }

  get(target) { return this.request('GET', target); }

  // post wants that what it sends is done.
  async post(target, form = {}) {
    const a = await this.request('POST', target, form);
    assert.ok([204, 303].includes(a.status), `POST ${target}: ${a.status} ${a.text}`);
    return a;
  }

  // home is what the page / says.
  async home() {
    const a = await this.get('/');
    assert.equal(a.status, 200, a.text);
    return { ...JSON.parse(a.text), cookie: a.cookie };
  }

  // is wants that / knows the visitor as a user, or as nobody, with a cart.
  async is(user, cart = []) {
    const home = await this.home();
    assert.deepEqual({ user: home.user, cart: home.cart }, { user, cart });
    return home;
  }

  login(user) { return this.post('/login', { user, password: 'secret' }); }

  async devices() {
    const a = await this.get('/devices');
    assert.equal(a.status, 200, a.text);
    return JSON.parse(a.text);
  }
}

module.exports = { Browser };
