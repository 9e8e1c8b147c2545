// Package disk keeps numbered records, and a log beside them, in one bbolt file that survives
// kill -9 and a loss of power: each Commit is there completely or not at all. It knows no
// sessions. bbolt does not check what it reads, and panics on damaged pages. So Open checks
// all pages before bbolt reads them, and each record's checksum. The file holds the sum of
// these, which detects a page that is sound but old.
package disk
