// Package embedded keeps sessions in this process' memory, and with Open on disk too: the
// engine of a single node that needs no Redis. A token carries the bucket of its user, so a
// session, its user and the user's other sessions are in one of 256 shards, and a request
// takes one lock once. Operations on a whole app visit the shards one by one and hold a lock
// for a bounded number of records. docs/design.md says how changes reach the disk.
package embedded
