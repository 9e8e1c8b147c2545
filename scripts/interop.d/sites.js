'use strict';
// The sites under examples/ that examples.test.js holds to the table in examples/README.md.
// EXAMPLES, a list with commas, picks some of them.
//
//   command, args   what starts it, in its directory; args is called with the port
//   env             variables beside PORT, SESSIONS_URL and SESSIONS_KEY
//   https           headers by which a proxy on this machine says that the visitor came by https
//   renews          a page view a minute after the last sets the cookie anew

const all = {
  express: { command: 'node', args: () => ['site.js'], https: { 'X-Forwarded-Proto': 'https' }, renews: true },
};

const wanted = process.env.EXAMPLES && process.env.EXAMPLES.split(',');
for (const name of wanted || []) if (!all[name]) throw new Error(`EXAMPLES: there is no site ${name}`);

module.exports = Object.fromEntries(Object.entries(all).filter(([name]) => !wanted || wanted.includes(name)));
