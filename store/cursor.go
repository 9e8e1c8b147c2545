package store

import (
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// CursorTokenLen is how many characters of a token a Cursor holds. A cursor
// travels in URLs, and lists do not tell tokens, so it must not hold a whole one;
// 14 random characters, after the two of the bucket, are 83 bits, so that no two
// sessions have the same, and 285 bits of the token stay secret.
const CursorTokenLen = 16

// Cursor is the place at which a part of a list ended: all that is needed to go
// on, so that nobody keeps anything between two parts. What its fields mean, and
// which of them it has, depends on the stage. Tokens are cut to CursorTokenLen.
type Cursor struct {
	Stage Stage
	// Start is when the list began, on the store's clock: microseconds since 1970,
	// or seconds and a count, if the engine has no finer clock.
	Start int64
	// LastActivity, in Unix seconds, and Token are the last session's. At
	// ByIndex they are where ByIndex began.
	LastActivity int64
	Token        string
	// IndexTime, in microseconds, and IndexToken are the last session's in the
	// engine's index.
	IndexTime  int64
	IndexToken string
}

// Stage says which way a list goes. A list of an app goes from ByActivity,
// perhaps over ByIndex, to Moved.
type Stage byte

const (
	// ByToken lists a user's sessions by token, upwards. Neither a read nor a
	// write changes that order. It has Token.
	ByToken Stage = iota + 1
	// ByActivity lists sessions that were not active since Start: latest first,
	// then by token, downwards. It has Start, LastActivity and Token.
	ByActivity
	// ByIndex lists the same in the order of the engine's index, which is exact to
	// the minute and can be walked without looking at all of it. It has all fields.
	ByIndex
	// Moved lists sessions that were active since Start, by token, upwards: the
	// stages before may have missed them. It has Start and Token.
	Moved
)

const (
	cursorVersion = 1
	// cursorSum is the length of the checksum at the end, in bytes.
	cursorSum = 4
	// packedToken is the length of a cut token at six bits a character, in bytes.
	packedToken = CursorTokenLen * 6 / 8
)

// MaxCursorLen is the length of the longest cursor's text.
var MaxCursorLen = base64.RawURLEncoding.EncodedLen(2 + 3*8 + 2*packedToken + cursorSum)

// ListOfApp and ListOfID name a list, for the text of its cursors.
func ListOfApp(app string) string { return "soapp\n" + app }

// ListOfID is ListOfApp for a user's list.
func ListOfID(app, id string) string { return "soid\n" + app + "\n" + id }

// Text returns the cursor's text for clients, of [A-Za-z0-9_-]. It is bound to
// the list.
func (c *Cursor) Text(list string) string {
	b := make([]byte, 0, 64)
	b = append(b, cursorVersion, byte(c.Stage))
	for _, f := range c.fields() {
		if f.number != nil {
			b = binary.BigEndian.AppendUint64(b, uint64(*f.number))
		} else {
			b = appendPacked(b, *f.token)
		}
	}
	b = binary.BigEndian.AppendUint32(b, checksum(b, list))
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseCursor reads what Text made for the same list. Any other text is
// ErrCursor. That holds off mistakes, not malice: who makes up a cursor learns
// nothing that the list would not tell.
func ParseCursor(text, list string) (Cursor, error) {
	// base64 would skip line breaks.
	if len(text) > MaxCursorLen || strings.ContainsAny(text, "\r\n") {
		return Cursor{}, ErrCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 2+cursorSum || b[0] != cursorVersion {
		return Cursor{}, ErrCursor
	}
	rest, sum := b[2:len(b)-cursorSum], b[len(b)-cursorSum:]
	if binary.BigEndian.Uint32(sum) != checksum(b[:len(b)-cursorSum], list) {
		return Cursor{}, ErrCursor
	}
	c := Cursor{Stage: Stage(b[1])}
	fields := c.fields()
	for _, f := range fields {
		switch {
		case f.number != nil && len(rest) >= 8:
			*f.number = int64(binary.BigEndian.Uint64(rest))
			if *f.number < 0 || *f.number > MaxTTL*10 {
				return Cursor{}, ErrCursor
			}
			rest = rest[8:]
		case f.token != nil && len(rest) >= packedToken:
			var ok bool
			if *f.token, ok = unpackToken(rest[:packedToken]); !ok {
				return Cursor{}, ErrCursor
			}
			rest = rest[packedToken:]
		default:
			return Cursor{}, ErrCursor
		}
	}
	if len(fields) == 0 || len(rest) > 0 {
		return Cursor{}, ErrCursor
	}
	return c, nil
}

// cursorField is a number or a token.
type cursorField struct {
	number *int64
	token  *string
}

// fields returns those that the stage has, none if there is no such stage.
func (c *Cursor) fields() []cursorField {
	start, la, token := cursorField{number: &c.Start}, cursorField{number: &c.LastActivity}, cursorField{token: &c.Token}
	switch c.Stage {
	case ByToken:
		return []cursorField{token}
	case ByActivity:
		return []cursorField{start, la, token}
	case ByIndex:
		return []cursorField{start, la, token, {number: &c.IndexTime}, {token: &c.IndexToken}}
	case Moved:
		return []cursorField{start, token}
	}
	return nil
}

func checksum(b []byte, list string) uint32 {
	var d xxhash.Digest
	d.Reset()
	d.Write(b)
	d.WriteString(list)
	return uint32(d.Sum64())
}

// appendPacked appends the first CursorTokenLen characters of a token at six bits
// each.
func appendPacked(b []byte, token string) []byte {
	for i := 0; i < CursorTokenLen; i += 4 {
		v := uint32(base62Digit[token[i]])<<18 | uint32(base62Digit[token[i+1]])<<12 |
			uint32(base62Digit[token[i+2]])<<6 | uint32(base62Digit[token[i+3]])
		b = append(b, byte(v>>16), byte(v>>8), byte(v))
	}
	return b
}

func unpackToken(b []byte) (string, bool) {
	var token [CursorTokenLen]byte
	for i, j := 0, 0; i < len(b); i, j = i+3, j+4 {
		v := uint32(b[i])<<16 | uint32(b[i+1])<<8 | uint32(b[i+2])
		for k := range 4 {
			digit := v >> (18 - 6*k) & 63
			if digit >= uint32(len(base62)) {
				return "", false
			}
			token[j+k] = base62[digit]
		}
	}
	return string(token[:]), true
}
