// Package disk keeps numbered records, and a log that is written beside them, in
// one file that survives a kill -9 or a loss of power at any moment. It knows
// nothing of sessions.
//
// The file is a bbolt database: a B+ tree that never writes over a page in use, so
// that each Commit is there whole or not at all. What bbolt lacks is a check of
// what it reads: it panics, partly in goroutines of its own, or reads beyond the
// file when pages are damaged. So Open goes through the whole file before bbolt
// may, and each record carries a checksum, and the file the sum of them, which
// also finds a page that is sound but old.
package disk
