'use strict';
// Real nginx and real Caddy ask our server before they serve a page, each by its file
// under examples/ as it is, but for the ports.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { describe, it } = require('node:test');

const { ask, freePorts } = require('./programs.js');
const { protects } = require('./proxy-pages.js');
const { around, cookie, example, key, run } = require('./proxy-site.js');

const proxies = {
  nginx: {
    down: 500,
    start: async (port, upstreams) => {
      const dir = path.join(around.tmp, 'nginx');
      fs.mkdirSync(dir);
      fs.writeFileSync(path.join(dir, 'site.conf'), example('nginx/site.conf', { 'listen 8080;': `listen 127.0.0.1:${port};`, ...upstreams }));
      fs.writeFileSync(path.join(dir, 'rest-sessions-key.conf'), `proxy_set_header Authorization "Bearer ${key}";\n`);
      const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${dir}/${name};`).join(' ');
      // Its user must reach the directory, which is this process' own.
      fs.writeFileSync(path.join(dir, 'nginx.conf'), `${process.getuid() === 0 ? 'user root; ' : ''}daemon off; pid ${dir}/pid; error_log stderr;
        events {} http { access_log off; ${temp} include site.conf; }\n`);
      await run(port, 'nginx', ['-p', dir, '-c', path.join(dir, 'nginx.conf')]);
    },
  },
  caddy: {
    down: 503,
    start: async (port, upstreams) => {
      const file = path.join(around.tmp, 'Caddyfile');
      fs.writeFileSync(file, `{\n\tadmin off\n}\n${example('caddy/Caddyfile', { 'http://:8080': `http://127.0.0.1:${port}`, ...upstreams })}`);
      await run(port, 'caddy', ['run', '--config', file, '--adapter', 'caddyfile'], { RS_AUTH_KEY: key });
    },
  },
};

for (const [name, proxy] of Object.entries(proxies)) protects(name, proxy);

// After the others: a server that starts again has another port.
describe('a server that is gone', () => {
  it('is an error to both', async () => {
    const ports = await freePorts(2);
    const [nobody] = await freePorts(1);
    fs.rmSync(path.join(around.tmp, 'nginx'), { recursive: true });
    for (const [i, [name, proxy]] of Object.entries(proxies).entries()) {
      await proxy.start(ports[i], { '127.0.0.1:3000': `127.0.0.1:${nobody}`, '127.0.0.1:9000': `127.0.0.1:${around.site.address().port}` });
      around.served = [];
      const a = await ask(ports[i], '/account/', { headers: cookie('x'.repeat(64)) });
      assert.equal(a.status, { nginx: 500, caddy: 502 }[name], a.text);
      assert.deepEqual(around.served, []);
    }
  });
});
