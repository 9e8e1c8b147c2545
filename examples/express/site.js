import express from 'express';
import { sessions, unavailable } from './sessions.js';

// A real site keeps hashes of passwords.
const passwords = new Map([['anna', 'secret'], ['zoë/50%', 'secret']]);

const app = express();
// The proxy on this machine says what the visitor's address is, and whether he came by https.
app.set('trust proxy', 'loopback');
// Static files go here, before what asks rest-sessions.
app.use(sessions({ app: 'shop', url: process.env.SESSIONS_URL, key: process.env.SESSIONS_KEY }));
app.use(express.urlencoded({ extended: false }));

const users = (req, res, next) => (req.visitor.user === null ? res.sendStatus(401) : next());

app.get('/', (req, res) => {
  const { user, data } = req.visitor;
  res.json({ user, cart: data.cart ?? [] });
});

app.post('/cart', async (req, res) => {
  const item = req.body?.item;
  if (typeof item !== 'string' || item === '') return res.sendStatus(400);
  await req.visitor.update(({ cart = [] }) => ({ cart: [...cart, item] }));
  res.redirect(303, '/');
});

app.post('/login', async (req, res) => {
  const { user, password } = req.body ?? {};
  if (typeof password !== 'string' || passwords.get(user) !== password) return res.sendStatus(403);
  await req.visitor.login(user);
  res.redirect(303, '/');
});

app.get('/devices', users, async (req, res) => {
  res.json(await req.visitor.devices());
});

app.post('/devices/end', users, async (req, res) => {
  const handle = req.body?.handle;
  if (!/^[0-9A-Za-z]{22}$/.test(handle)) return res.sendStatus(400);
  await req.visitor.endDevice(handle);
  res.redirect(303, '/devices');
});

app.post('/logout', async (req, res) => {
  await req.visitor.logout();
  res.redirect(303, '/');
});

app.post('/logout/everywhere', async (req, res) => {
  await req.visitor.logoutEverywhere();
  res.redirect(303, '/');
});

app.use(unavailable);

app.listen(Number(process.env.PORT ?? 8000), '127.0.0.1');
