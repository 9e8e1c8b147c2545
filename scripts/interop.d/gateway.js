'use strict';
// What stands between a site and rest-sessions in a test: it notes each request, and can
// answer itself as a broken server, a proxy or nobody would.

const http = require('node:http');

class Gateway {
  // server is a Server, asked on the port that it has then.
  constructor(server) {
    this.server = server;
    this.seen = []; // {method, url, headers}
    this.mode = 'pass';
  }

  async start() {
    this.http = http.createServer((req, res) => this.#serve(req, res));
    await new Promise((resolve) => { this.http.listen(0, '127.0.0.1', resolve); });
    this.port = this.http.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
  }

  async stop() {
    this.http.closeAllConnections();
    await new Promise((resolve) => { this.http.close(resolve); });
  }

  // as does something while the gateway is in a mode: an answer {status, headers, body}, or
  // "hang" or "cut"; or after some requests: {after, mode}.
  async as(mode, action) {
    this.mode = mode;
    this.passed = 0;
    try {
      await action();
    } finally {
      this.mode = 'pass';
    }
  }

  #serve(req, res) {
    const { method, url, headers } = req;
    this.seen.push({ method, url, headers });
    let { mode } = this;
    if (mode.after !== undefined) mode = this.passed++ < mode.after ? 'pass' : mode.mode;
    if (mode === 'hang') return;
    if (mode === 'cut') {
      req.socket.destroy();
    } else if (mode === 'pass') {
      const forward = http.request({ host: '127.0.0.1', port: this.server.port, method, path: url, headers }, (answer) => {
        res.writeHead(answer.statusCode, answer.headers);
        answer.pipe(res);
      });
      forward.on('error', () => res.destroy());
      req.pipe(forward);
    } else {
      req.resume();
      res.writeHead(mode.status, mode.headers);
      res.end(mode.body);
    }
  }
}

const json = { 'Content-Type': 'application/json' };
const html = { 'Content-Type': 'text/html' };

// noAnswers are answers that say nothing about a session.
const noAnswers = [
  { status: 200, headers: html, body: '<h1>Welcome to nginx!</h1>' },
  { status: 200, headers: json, body: '' },
  { status: 200, headers: json, body: '[]' },
  { status: 200, headers: json, body: 'null' },
  { status: 200, headers: json, body: '{"message":"ok"}' },
  { status: 200, headers: json, body: '{"id":"anna","r":1,' },
  { status: 204, headers: {}, body: undefined },
  { status: 302, headers: { Location: '/' }, body: '' },
  { status: 401, headers: json, body: '{"name":"unauthorized","message":"no API key"}' },
  { status: 403, headers: json, body: '{"name":"forbidden","message":"not for this app"}' },
  { status: 404, headers: json, body: '{}' },
  { status: 404, headers: html, body: '404 page not found' },
  { status: 429, headers: { ...json, 'Retry-After': '6' }, body: '{"name":"tooManyAttempts","message":"wait"}' },
  { status: 500, headers: json, body: '{}' },
  { status: 502, headers: html, body: '<h1>502 Bad Gateway</h1>' },
  { status: 503, headers: { ...json, 'Retry-After': '1' }, body: '{"name":"storeUnavailable","message":"try again"}' },
  'cut',
];

module.exports = { Gateway, noAnswers };
