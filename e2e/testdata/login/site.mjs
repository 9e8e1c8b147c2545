// A site with the functions of README: /login?user=, /me, /theme, /logout.
import http from 'node:http'
import { login, session, sessions } from './sessions.mjs'

http.createServer(async (req, res) => {
  const url = new URL(req.url, 'http://site')
  const cookie = req.headers.cookie
  try {
    if (url.pathname === '/login') {
      res.setHeader('Set-Cookie', await login(url.searchParams.get('user'), req.socket.remoteAddress))
    } else if (url.pathname === '/me') {
      const me = await session(cookie)
      res.statusCode = me ? 200 : 401
      res.write(me ? me.id : 'none')
    } else if (url.pathname === '/theme') {
      const changed = await sessions('POST', 'set/-', cookie, { theme: url.searchParams.get('theme') })
      res.write(changed.d.theme)
    } else if (url.pathname === '/logout') {
      await sessions('DELETE', 'kill/-', cookie)
      res.setHeader('Set-Cookie', 'sid=; Path=/; Secure; Max-Age=0')
    }
  } catch (error) {
    res.statusCode = error.status ?? 500
    res.write(String(error))
  }
  res.end()
}).listen(process.env.PORT, '127.0.0.1')
