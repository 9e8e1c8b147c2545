package embedded

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"rest-sessions/store"
)

// The fields of a session's record on disk, in the wire format of Protocol
// Buffers. A number is never used for anything else, and a field at its zero value
// is left out. A field that an older version must not overlook (one that ends a
// session, say) comes with a new format in package disk; for the rest, who does not
// know a field refuses the record rather than lose it in the next write.
const (
	fieldToken        protowire.Number = 1 // as packed by pack; each record begins with it
	fieldApp          protowire.Number = 2
	fieldID           protowire.Number = 3
	fieldIP           protowire.Number = 4
	fieldData         protowire.Number = 5
	fieldTTL          protowire.Number = 6
	fieldLastActivity protowire.Number = 7
	fieldReads        protowire.Number = 8
	fieldWrites       protowire.Number = 9
	fieldNoResave     protowire.Number = 10
	// fieldUserActivity is that of the user, if it is later than the session's: from
	// a session that has ended.
	fieldUserActivity protowire.Number = 11
	fieldEnd          protowire.Number = 12
	// fieldAliasOf makes a record one of an old token that stands for a session until
	// fieldUntil: it is the number of the session's. Such a record has a token and
	// these two.
	fieldAliasOf protowire.Number = 13
	fieldUntil   protowire.Number = 14
	fieldCreated protowire.Number = 15
	// fieldFirst is the session's first token if it has another one now, as packed.
	fieldFirst protowire.Number = 16
)

// stored is a session as its record on disk has it, but for the serial, which is
// the record's number; or an alias.
type stored struct {
	session
	app          string
	userActivity int64
	aliasOf      uint64 // 0 for a session
	until        int64
}

func (s *stored) append(b []byte) []byte {
	b = appendBytes(b, fieldToken, s.token[:])
	b = appendBytes(b, fieldApp, s.app)
	b = appendBytes(b, fieldID, s.id())
	b = appendBytes(b, fieldIP, s.ip())
	b = appendBytes(b, fieldData, s.d)
	b = appendNumber(b, fieldTTL, s.ttl)
	b = appendNumber(b, fieldLastActivity, s.lastActivity)
	b = appendNumber(b, fieldEnd, s.end)
	b = appendNumber(b, fieldAliasOf, int64(s.aliasOf))
	b = appendNumber(b, fieldUntil, s.until)
	b = appendNumber(b, fieldReads, s.r)
	b = appendNumber(b, fieldWrites, s.w)
	b = appendNumber(b, fieldCreated, int64(s.created))
	if first := s.first(); first != "" {
		packed := pack(first)
		b = appendBytes(b, fieldFirst, packed[:])
	}
	if s.noResave {
		b = appendNumber(b, fieldNoResave, 1)
	}
	if s.userActivity > s.lastActivity {
		b = appendNumber(b, fieldUserActivity, s.userActivity)
	}
	return b
}

func appendBytes[T string | []byte](b []byte, field protowire.Number, v T) []byte {
	if len(v) == 0 {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(v)))
	return append(b, v...)
}

// appendNumber appends a number, which may be negative: the ttl of a no_resave
// session that was touched in its last second.
func appendNumber(b []byte, field protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.VarintType)
	return protowire.AppendVarint(b, protowire.EncodeZigZag(v))
}

var errRecord = errors.New("embedded: not the record of a session")

// shardOfRecord returns the number of the shard that a record belongs to, without
// reading more of it than the token's start.
func shardOfRecord(b []byte) (int, bool) {
	field, kind, n := protowire.ConsumeTag(b)
	if n < 0 || field != fieldToken || kind != protowire.BytesType {
		return 0, false
	}
	text, n := protowire.ConsumeBytes(b[n:])
	var t token
	if n < 0 || len(text) != len(t) {
		return 0, false
	}
	copy(t[:], text)
	return shardOf(store.TokenBucket(t.String())), true
}

// parse reads a record. It keeps nothing of b.
func (s *stored) parse(b []byte) error {
	*s = stored{}
	var id, ip []byte
	first := ""
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errRecord
		}
		b = b[n:]
		var text []byte
		var number int64
		switch kind {
		case protowire.BytesType:
			text, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			var v uint64
			v, n = protowire.ConsumeVarint(b)
			number = protowire.DecodeZigZag(v)
		default:
			return fmt.Errorf("%w: field %d of kind %d", errRecord, field, kind)
		}
		if n < 0 {
			return errRecord
		}
		b = b[n:]
		known := kind == protowire.BytesType
		switch field {
		case fieldApp:
			s.app = string(text)
		case fieldToken:
			if len(text) != len(s.token) {
				return fmt.Errorf("%w: a token of %d bytes", errRecord, len(text))
			}
			copy(s.token[:], text)
		case fieldFirst:
			var t token
			if len(text) != len(t) {
				return fmt.Errorf("%w: a token of %d bytes", errRecord, len(text))
			}
			copy(t[:], text)
			if first = t.String(); !store.ValidToken(first) {
				return fmt.Errorf("%w: no token", errRecord)
			}
		case fieldID:
			id = text
		case fieldIP:
			ip = text
		case fieldData:
			s.d = string(text)
		default:
			known = kind == protowire.VarintType
			switch field {
			case fieldTTL:
				s.ttl = number
			case fieldLastActivity:
				s.lastActivity = number
			case fieldReads:
				s.r = number
			case fieldWrites:
				s.w = number
			case fieldNoResave:
				s.noResave = number != 0
			case fieldUserActivity:
				s.userActivity = number
			case fieldEnd:
				s.end = number
			case fieldCreated:
				s.created = uint32(number)
			case fieldAliasOf:
				s.aliasOf = uint64(number)
			case fieldUntil:
				s.until = number
			default:
				known = false
			}
		}
		if !known {
			return fmt.Errorf("%w: field %d", errRecord, field)
		}
	}
	if len(id) > math.MaxUint16 || len(ip) > math.MaxUint8 {
		return fmt.Errorf("%w: an id of %d bytes, an ip of %d", errRecord, len(id), len(ip))
	}
	s.setText(string(id), string(ip), first)
	token := s.token.String()
	if s.aliasOf != 0 && store.ValidToken(token) {
		return nil
	}
	if !store.ValidToken(token) || s.app == "" || shardOf(store.TokenBucket(token)) != shardOf(store.Bucket(s.id())) {
		return fmt.Errorf("%w: the token is not of this user", errRecord)
	}
	return nil
}
