package store

// PackedToken is a token at six bits a character: 48 bytes for 64. Tokens compare as
// their texts do.
type PackedToken [TokenLen * 6 / 8]byte

// sextet is the six-bit number of each character of a token.
var sextet = func() (n [256]uint32) {
	for i := range base62 {
		n[base62[i]] = uint32(i)
	}
	return n
}()

// PackToken packs a valid token.
func PackToken(text string) (t PackedToken) {
	for i, j := 0, 0; i < len(t); i, j = i+3, j+4 {
		v := sextet[text[j]]<<18 | sextet[text[j+1]]<<12 | sextet[text[j+2]]<<6 | sextet[text[j+3]]
		t[i], t[i+1], t[i+2] = byte(v>>16), byte(v>>8), byte(v)
	}
	return t
}

// String returns the token's text. Bytes that no token packs to give "?".
func (t PackedToken) String() string {
	var text [TokenLen]byte
	for i, j := 0, 0; i < len(t); i, j = i+3, j+4 {
		v := uint32(t[i])<<16 | uint32(t[i+1])<<8 | uint32(t[i+2])
		for k := range 4 {
			text[j+k] = '?'
			if d := v >> (18 - 6*k) & 63; d < uint32(len(base62)) {
				text[j+k] = base62[d]
			}
		}
	}
	return string(text[:])
}
