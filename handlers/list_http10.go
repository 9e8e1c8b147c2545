package handlers

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"rest-sessions/handlers/listener"
)

// hijack takes the connection from fasthttp, which would send the list in chunks to
// HTTP/1.0 too. What fasthttp has not sent yet, of requests before this one, it sends first.
func (l *list) hijack(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	h.SetContentLength(-2) // no length: Connection: close
	h.Del(fasthttp.HeaderTransferEncoding)
	head := h.AppendBytes(nil)
	l.api.hijacked.Store(l.conn, l)
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(net.Conn) { // fasthttp closes the connection after it
		l.api.hijacked.Delete(l.conn)
		l.writeUntilClose(head)
	})
}

// writeUntilClose sends head and the list. The close of the connection is the end of the
// list; so if the list breaks off, the connection is reset instead.
func (l *list) writeUntilClose(head []byte) {
	defer l.Close()
	err := l.renew() // fasthttp has taken the deadline off
	if err == nil {
		_, err = l.conn.Write(head)
	}
	if err == nil {
		// Not io.Copy to the connection itself: its ReadFrom would have a copy of its own.
		_, err = io.CopyBuffer(struct{ io.Writer }{l.conn}, l, make([]byte, 16<<10))
	}
	if err != nil {
		listener.Reset(l.conn)
		return
	}
	listener.Linger(l.conn) // input that was not read would make the close a reset
}

// dropHijacked is fasthttp's hook on the state of connections. One that fails before
// fasthttp calls the function given to Hijack is closed, and nothing else tells of it.
func (a *API) dropHijacked(conn net.Conn, state fasthttp.ConnState) {
	if state != fasthttp.StateClosed {
		return
	}
	if l, ok := a.hijacked.LoadAndDelete(conn); ok {
		l.(*list).Close()
	}
}

// WaitLists waits until no list is in flight. The HTTP server's own shutdown waits for all
// connections but those that lists to HTTP/1.0 have taken from it.
func (a *API) WaitLists(ctx context.Context) error {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for a.lists.inFlight.Load() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return nil
}
