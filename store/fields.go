package store

// EachField calls f for each key, quotes included and as Field has them, and raw value
// of data, the text of a session's data, and reports whether it is such a text. All
// strings are parts of data. It does not allocate.
func EachField(data string, f func(key, value string)) bool { return eachField(data, f) }
