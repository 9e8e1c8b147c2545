package store

// PackedToken is a token at six bits a character: 48 bytes for 64. Tokens compare as
// their texts do.
type PackedToken [TokenLen * 6 / 8]byte

// PackToken packs a valid token.
func PackToken(text string) PackedToken { return packed(text[:TokenLen]) }

// packed packs a token, or its first characters, a multiple of four.
func packed(text string) (t PackedToken) {
	for i, j := 0, 0; j < len(text); i, j = i+3, j+4 {
		v := base62Digit[text[j]]<<18 | base62Digit[text[j+1]]<<12 | base62Digit[text[j+2]]<<6 | base62Digit[text[j+3]]
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
