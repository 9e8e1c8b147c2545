package model

import (
	"strconv"
	"strings"
)

// keys is how many keys the sets of a session are spread over: overlapping sets
// then mostly change different ones, and both must land.
const keys = 4

var keyNames = [keys]string{"cart", "page", "seen", "theme"}

// write is one write of a key that a read may find.
type write struct {
	version int
	sent    uint64 // when it was sent, in the model's clock
	done    uint64 // when it was acknowledged; 0: in flight, or its outcome is unknown
}

// history holds the writes of one key that a read sent now may find. A change
// makes a new slice, so that a read in flight can keep what it was sent with.
type history []write

func (h history) with(w write) history { return append(h[:len(h):len(h)], w) }

// acknowledged notes that version has landed, and drops what was complete before
// it was sent: nobody may see that again.
func (h history) acknowledged(version int, now uint64) history {
	var sent uint64
	for _, w := range h {
		if w.version == version {
			sent = w.sent
		}
	}
	kept := make(history, 0, len(h))
	for _, w := range h {
		if w.done != 0 && w.done < sent {
			continue
		}
		if w.version == version {
			w.done = now
		}
		kept = append(kept, w)
	}
	return kept
}

func (h history) has(version int) bool {
	for _, w := range h {
		if w.version == version {
			return true
		}
	}
	return false
}

func (h history) String() string {
	var names []string
	for _, w := range h {
		names = append(names, strconv.Itoa(w.version))
	}
	return strings.Join(names, " or ")
}

// text is the value that version of a key of session serial holds. Quotes, a
// backslash and letters beyond ASCII show that a value comes back as it was sent.
func text(serial, key, version int) string {
	return "v" + strconv.Itoa(version) + ` of "` + keyNames[key] + `" \ ` + strconv.Itoa(serial) + " – größer"
}

// value is what version of a key of session serial is: a text, but for the first key,
// whose text stands inside of an array in an object.
func value(serial, key, version int) any {
	if key > 0 {
		return text(serial, key, version)
	}
	return map[string]any{"items": []any{text(serial, key, version), nil}}
}

// textOf is the text in a value that value made, "" if it is none such.
func textOf(key int, value any) string {
	if key > 0 {
		text, _ := value.(string)
		return text
	}
	cart, _ := value.(map[string]any)
	items, _ := cart["items"].([]any)
	if len(cart) != 1 || len(items) != 2 || items[1] != nil {
		return ""
	}
	text, _ := items[0].(string)
	return text
}

// versionOf is the version that a text names, -1 if none.
func versionOf(text string) int {
	digits, _, ok := strings.Cut(strings.TrimPrefix(text, "v"), " ")
	version, err := strconv.Atoi(digits)
	if !ok || err != nil {
		return -1
	}
	return version
}
