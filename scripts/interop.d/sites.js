'use strict';
// The sites under examples/ that examples.test.js holds to the table in examples/README.md.
// EXAMPLES, a list with commas, picks some of them.
//
//   command, args   what starts it, in its directory; args is called with the port
//   dir             its directory under examples/, if that is not its name
//   processes       of those that do one request at a time, how many to start; 1 if not said
//   env             variables beside PORT, SESSIONS_URL and SESSIONS_KEY
//   https           headers by which a proxy on this machine says that the visitor came by https
//   lastWins        why an item may be lost of those that are added to a cart at once
//   renews          a page view long after the last sets the cookie anew

const path = require('node:path');

const python = process.env.INTEROP_PYTHON;
const forwarded = { 'X-Forwarded-Proto': 'https' };
const pythonEnv = { PYTHONPATH: path.join(__dirname, '..', '..', 'examples', 'python'), PYTHONDONTWRITEBYTECODE: '1' };

const phpArgs = (port) => ['-q', '-S', `127.0.0.1:${port}`, path.join(__dirname, 'php', 'router.php')];

const all = {
  django: { command: python, args: (port) => ['manage.py', 'runserver', '--noreload', `127.0.0.1:${port}`], env: pythonEnv, https: forwarded, renews: true },
  express: { command: 'node', args: () => ['site.js'], https: forwarded, renews: true },
  flask: { command: python, args: () => ['shop.py'], env: pythonEnv, https: forwarded, renews: true },
  go: { command: process.env.INTEROP_GO_SITE, args: () => [], https: forwarded, renews: true },
  php: { command: 'php', args: phpArgs, processes: 3, https: forwarded, renews: true },
  'php-session': {
    dir: 'php',
    command: 'php',
    args: phpArgs,
    lastWins: 'of two requests that change one key of $_SESSION at once the later one wins',
    env: { SITE: 'session-site.php' },
    https: forwarded,
  },
};

const wanted = process.env.EXAMPLES && process.env.EXAMPLES.split(',');
for (const name of wanted || []) if (!all[name]) throw new Error(`EXAMPLES: there is no site ${name}`);

module.exports = Object.fromEntries(Object.entries(all).filter(([name]) => !wanted || wanted.includes(name)));
