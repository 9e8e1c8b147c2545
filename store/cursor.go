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

// Cursor is the place at which a page of a list ended: all that is needed to go on, so
// that a server keeps nothing between two pages. The list of a user goes by token,
// upwards, and has Token alone; that of an app goes by last activity and then token,
// downwards.
type Cursor struct {
	// Start is the second in which the list of an app began, on the store's clock.
	Start int64
	// LastActivity, in Unix seconds, and Token, cut to CursorTokenLen, are the last
	// session's. Neither a read, a write nor a rotation changes the order of tokens.
	LastActivity int64
	Token        string
}

const (
	cursorVersion = 2
	// cursorSum is the length of the checksum at the end, in bytes.
	cursorSum = 4
	// packedToken is the length of a cut token at six bits a character, in bytes.
	packedToken = CursorTokenLen * 6 / 8
)

const (
	cursorLen    = 1 + 2*8 + packedToken + cursorSum
	maxCursorInt = MaxTTL * 10 // of what is seconds
)

// MaxCursorLen is the length of a cursor's text.
var MaxCursorLen = base64.RawURLEncoding.EncodedLen(cursorLen)

// ListOfApp and ListOfID name a list, for the text of its cursors.
func ListOfApp(app string) string { return "soapp\n" + app }

// ListOfID is ListOfApp for a user's list.
func ListOfID(app, id string) string { return "soid\n" + app + "\n" + id }

// Text returns the cursor's text for clients, of [A-Za-z0-9_-]. It is bound to
// the list.
func (c *Cursor) Text(list string) string {
	b := make([]byte, 0, cursorLen)
	b = append(b, cursorVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Start))
	b = binary.BigEndian.AppendUint64(b, uint64(c.LastActivity))
	token := packed(c.Token)
	b = append(b, token[:packedToken]...)
	b = binary.BigEndian.AppendUint32(b, checksum(b, list))
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseCursor reads what Text made for the same list. Any other text is
// ErrCursor. That catches mistakes, not malice: a forged cursor shows nothing that the
// list would not.
func ParseCursor(text, list string) (Cursor, error) {
	// base64 would skip line breaks.
	if len(text) != MaxCursorLen || strings.ContainsAny(text, "\r\n") {
		return Cursor{}, ErrCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != cursorLen || b[0] != cursorVersion {
		return Cursor{}, ErrCursor
	}
	fields, sum := b[:cursorLen-cursorSum], b[cursorLen-cursorSum:]
	start, la := binary.BigEndian.Uint64(fields[1:]), binary.BigEndian.Uint64(fields[9:])
	var token PackedToken
	copy(token[:], fields[17:])
	text = token.String()[:CursorTokenLen]
	if binary.BigEndian.Uint32(sum) != checksum(fields, list) || start > maxCursorInt || la > maxCursorInt || strings.Contains(text, "?") {
		return Cursor{}, ErrCursor
	}
	return Cursor{Start: int64(start), LastActivity: int64(la), Token: text}, nil
}

func checksum(b []byte, list string) uint32 {
	var d xxhash.Digest
	d.Reset()
	d.Write(b)
	d.WriteString(list)
	return uint32(d.Sum64())
}
