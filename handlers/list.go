package handlers

import (
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"rest-sessions/handlers/metrics"
	"rest-sessions/store"
)

const (
	listHead = `{"sessions":[`
	listTail = `]}`
	pageTail = `],"cursor":"` // then the cursor and pageEnd
	pageEnd  = `"}`
)

// listBuffer is how many bytes of a list are gathered before its head is sent. A list
// that ends by then has a Content-Length; a longer one is streamed.
const listBuffer = 64 << 10

// writeSessions answers with a list. One within listBuffer, or of one chunk, has its length;
// a longer one is streamed as it is read: in HTTP chunks to HTTP/1.1, and to HTTP/1.0, which
// has none, until the connection is closed.
func (a *API) writeSessions(ctx *fasthttp.RequestCtx, from store.List, with details) error {
	return a.writeList(ctx, &list{from: from, with: with})
}

// writePage answers with a page of a list, and the cursor of the next at its end.
func (a *API) writePage(ctx *fasthttp.RequestCtx, page store.Page, with details) error {
	return a.writeList(ctx, &list{from: page, page: page, with: with})
}

// writeList answers with a list, or 503 when too many are in flight.
func (a *API) writeList(ctx *fasthttp.RequestCtx, l *list) error {
	if !a.lists.enter() {
		a.metrics.Shed(metrics.ShedLists)
		return errOverloaded
	}
	l.api, l.text = a, append(body(ctx), listHead...)
	streamed := false
	defer func() { // also on a panic
		if !streamed {
			l.Close()
		}
	}()
	// At least two chunks are asked for before the status is sent, so that a store
	// that is down is a 503, and that one chunk is known to be all.
	for i := 0; !l.done && (i < 2 || len(l.text) <= listBuffer); i++ {
		if err := l.next(); err != nil {
			return err
		}
	}
	if l.done {
		setBody(ctx, l.text)
		return nil
	}
	setHeaders(ctx, contentTypeJSON)
	l.conn = ctx.Conn()
	ctx.Response.SetBodyStream(l, -1)
	streamed = true
	if !ctx.Request.Header.IsHTTP11() {
		l.hijack(ctx)
	}
	return nil
}

// list renders the chunks of a list, and is the io.ReadCloser of its text. It is in flight
// until it is closed.
type list struct {
	api  *API
	from store.List
	page store.Page // the same, of a page
	with details
	conn net.Conn // that the list is streamed to
	text []byte   // rendered and not yet read
	read int      // bytes of text already read
	any  bool     // whether a session was rendered
	done bool     // whether the tail was

	closed bool
}

// next renders the next chunk, or the tail after the last.
func (l *list) next() error {
	chunk, err := l.from.Next(l.api.ctx)
	// By identity: a connection to the store that breaks is an io.EOF too, wrapped, and
	// would end the list as if that were all.
	if err == io.EOF {
		l.text = l.appendTail(l.text)
		l.done = true
		return nil
	}
	if err != nil {
		return err
	}
	for i := range chunk {
		if l.any {
			l.text = append(l.text, ',')
		}
		l.any = true
		l.text = appendSession(l.text, &chunk[i], l.with)
	}
	return nil
}

func (l *list) appendTail(text []byte) []byte {
	if l.page == nil || l.page.Cursor() == "" {
		return append(text, listTail...)
	}
	text = append(text, pageTail...)
	text = append(text, l.page.Cursor()...)
	return append(text, pageEnd...)
}

// renew restarts writeTimeout for the next chunk. fasthttp's WriteTimeout is for the whole
// answer, and would end a list that takes longer than that to read or to send. A client
// that stops reading is still cut off after writeTimeout.
func (l *list) renew() error { return l.conn.SetWriteDeadline(time.Now().Add(l.api.writeTimeout)) }

// Read implements io.Reader. An error makes fasthttp close the connection without
// the last chunk, so that the client sees a broken answer, not a short list. It is
// called after the endpoint has returned, so a panic is caught here.
func (l *list) Read(p []byte) (n int, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			l.api.logf("error: a list broke off: panic: %v\n%s", cause, debug.Stack())
			n, err = 0, errInternal
		}
	}()
	for l.read == len(l.text) {
		if l.done {
			return 0, io.EOF
		}
		l.text, l.read = l.text[:0], 0
		if err := l.next(); err != nil {
			l.api.logf("warning: a list broke off: %s", faultText(err))
			return 0, err
		}
		if err := l.renew(); err != nil {
			return 0, err // the connection is gone
		}
	}
	n = copy(p, l.text[l.read:])
	l.read += n
	return n, nil
}

// Close implements io.Closer: the list is no longer in flight. fasthttp calls it when the
// answer has been written, and when that failed, as it does once the client is gone. For
// HTTP/1.0, writeUntilClose and dropHijacked do.
func (l *list) Close() error {
	if !l.closed {
		l.closed = true
		l.api.lists.leave()
	}
	return nil
}
