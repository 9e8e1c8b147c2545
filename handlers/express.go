package handlers

import "bytes"

// expressTarget returns a request target as Express would match it too: verbs in lower
// case, without a slash at the end. It reports false if nothing of it changes.
func expressTarget(target []byte) ([]byte, bool) {
	path, query, queried := bytes.Cut(target, []byte("?"))
	if len(path) < 2 || path[0] != '/' {
		return nil, false
	}
	plain := bytes.Clone(path)
	if plain[len(plain)-1] == '/' {
		plain = plain[:len(plain)-1]
	}
	if len(plain) == 1 { // of //, which is not /
		return nil, false
	}
	// The verb is the second segment, or the only one.
	verb := plain[1:]
	if _, rest, ok := bytes.Cut(verb, []byte("/")); ok {
		verb, _, _ = bytes.Cut(rest, []byte("/"))
	}
	for i, c := range verb {
		if 'A' <= c && c <= 'Z' {
			verb[i] = c + 'a' - 'A'
		}
	}
	if bytes.Equal(plain, path) {
		return nil, false
	}
	if queried {
		plain = append(append(plain, '?'), query...)
	}
	return plain, true
}
