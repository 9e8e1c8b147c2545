package handlers

import (
	"errors"
	"fmt"

	"github.com/valyala/fasthttp"

	"rest-sessions/store"
)

// apiError is an error as a client sees it: a status and the body
// {"name":…,"message":…}. Names are the original's where it has one.
type apiError struct {
	status  int
	name    string
	message string
}

func (e *apiError) Error() string { return e.name + ": " + e.message }

func missingParameter(what string) error {
	return &apiError{fasthttp.StatusBadRequest, "missingParameter", "No " + what + " supplied"}
}

// missingBeside is missingParameter for one that only another parameter needs: it says which.
func missingBeside(what, other string) error {
	return &apiError{fasthttp.StatusBadRequest, "missingParameter", "No " + what + " supplied; " + other + " needs it"}
}

func invalidFormat(what string) error {
	return &apiError{fasthttp.StatusBadRequest, "invalidFormat", "Invalid " + what + " format"}
}

// newFormat is invalidFormat for what the original has not: it says the rule, too.
func newFormat(what, rule string) error {
	return &apiError{fasthttp.StatusBadRequest, "invalidFormat", "Invalid " + what + " format; it must be " + rule}
}

func invalidValue(message string) error {
	return &apiError{fasthttp.StatusBadRequest, "invalidValue", message}
}

func unknownParameter(message string) error {
	return &apiError{fasthttp.StatusBadRequest, "unknownParameter", message}
}

var (
	errCursor       = &apiError{fasthttp.StatusBadRequest, "invalidFormat", "Invalid cursor format; it must be the cursor of a page of the same list, as it came"}
	errInvalidJSON  = &apiError{fasthttp.StatusBadRequest, "invalidJSON", "The body is not valid JSON in UTF-8"}
	errBadRequest   = &apiError{fasthttp.StatusBadRequest, "badRequest", "The request is not valid HTTP"}
	errUnauthorized = &apiError{fasthttp.StatusUnauthorized, "unauthorized", "A valid API key is needed, as Authorization: Bearer KEY"}
	errApp          = &apiError{fasthttp.StatusForbidden, "forbidden", "The API key is not for this app"}
	errReadOnly     = &apiError{fasthttp.StatusForbidden, "forbidden", "The API key is for reading only"}
	errAuthKey      = &apiError{fasthttp.StatusForbidden, "forbidden", "A valid API key is needed, as Authorization: Bearer KEY. On this route the status is 403, because a proxy takes 401 for a visitor without a session"}
	errRoleWeb      = &apiError{fasthttp.StatusForbidden, "forbidden", "The API key has the role !web, which may not use this route"}
	errRoleAuth     = &apiError{fasthttp.StatusForbidden, "forbidden", "The API key has the role !auth, which may use the route auth only"}
	errRemote       = &apiError{fasthttp.StatusForbidden, "forbidden", "From another machine this route needs an API key, and this server has no keys: set RS_API_KEYS"}
	errNotFound     = &apiError{fasthttp.StatusNotFound, "notFound", "There is no such route"}
	errMethod       = &apiError{fasthttp.StatusMethodNotAllowed, "methodNotAllowed", "The route does not accept this method"}
	errTimeout      = &apiError{fasthttp.StatusRequestTimeout, "requestTimeout", "The request did not arrive in time"}
	errBodySize     = &apiError{fasthttp.StatusRequestEntityTooLarge, "bodyTooLarge", fmt.Sprintf("The body is over %d bytes", maxBodySize)}
	errDataSize     = &apiError{fasthttp.StatusRequestEntityTooLarge, "dataTooLarge", "The session's data would be larger than RS_MAX_DATA allows; set a key to null to remove it"}
	errMediaType    = &apiError{fasthttp.StatusUnsupportedMediaType, "unsupportedMediaType", "The body must be application/json in UTF-8, plain or in gzip or deflate"}
	errEncoding     = &apiError{fasthttp.StatusBadRequest, "invalidJSON", "The body is not what its Content-Encoding says"}
	errAttempts     = &apiError{fasthttp.StatusTooManyRequests, "tooManyAttempts", "Too many requests from this address had no valid API key"}
	errConflict     = &apiError{fasthttp.StatusConflict, "conflict", "The session's w is not if_w: it has been changed"}
	errHeadSize     = &apiError{fasthttp.StatusRequestHeaderFieldsTooLarge, "headersTooLarge", fmt.Sprintf("The request's head is over %d bytes", maxHeadSize)}
	errInternal     = &apiError{fasthttp.StatusInternalServerError, "internalError", "The server failed; its log says why"}
	errStore        = &apiError{fasthttp.StatusServiceUnavailable, "storeUnavailable", "The session store cannot be used now"}
	errDraining     = &apiError{fasthttp.StatusServiceUnavailable, "draining", "The server is shutting down"}
	errOverloaded   = &apiError{fasthttp.StatusServiceUnavailable, "overloaded", "The server is overloaded"}
	errConnections  = &apiError{fasthttp.StatusServiceUnavailable, "tooManyConnections", "The server has too many connections"}
)

// knownErrors are the names that an apiError may have, each a counter.
var knownErrors = []string{
	"missingParameter", "invalidFormat", "invalidValue", "unknownParameter", "invalidJSON", "badRequest", "noToken",
	"noSession", "unauthorized", "forbidden", "notFound", "methodNotAllowed", "requestTimeout", "bodyTooLarge",
	"headersTooLarge", "conflict", "dataTooLarge", "unsupportedMediaType", "tooManyAttempts", "internalError",
	"storeUnavailable", "draining", "tooManyConnections", "overloaded",
}

// retryAfter is sent with every 503, in seconds. A 429 has its own, from who says so.
const retryAfter = "1"

// statusOf returns what a client is told of err. Only what it can act on is: the
// inner detail is for the log.
func statusOf(err error) *apiError {
	if e, ok := err.(*apiError); ok { // without the allocation of errors.As
		return e
	}
	var e *apiError
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, store.ErrUnavailable):
		return errStore
	case errors.Is(err, store.ErrTooLarge):
		return errDataSize
	case errors.Is(err, store.ErrCursor):
		return errCursor
	default:
		return errInternal
	}
}

// writeError answers with e.
func writeError(ctx *fasthttp.RequestCtx, e *apiError) {
	setBody(ctx, append(beginError(ctx, e), '}'))
}

// writeConflict answers that a session is not as it was to be, and how it is.
func writeConflict(ctx *fasthttp.RequestCtx, s *store.Session, with details) {
	b := append(beginError(ctx, errConflict), `,"session":`...)
	setBody(ctx, append(appendSession(b, s, with), '}'))
}

// beginError sets what an answer with e has, and returns its body but for the end. All
// errors are answered by it.
func beginError(ctx *fasthttp.RequestCtx, e *apiError) []byte {
	if entry := noted(ctx); entry != nil {
		entry.err = e
	}
	r := &ctx.Response
	r.ResetBody()
	r.SetStatusCode(e.status)
	switch {
	case e.status == fasthttp.StatusServiceUnavailable:
		r.Header.Set(fasthttp.HeaderRetryAfter, retryAfter)
	case e == errUnauthorized: // and not for want of a session's token
		r.Header.Set(fasthttp.HeaderWWWAuthenticate, "Bearer")
	}
	b := append(body(ctx), `{"name":`...)
	b = appendString(b, e.name)
	b = append(b, `,"message":`...)
	return appendString(b, e.message)
}
