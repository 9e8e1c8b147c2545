// Package embedded keeps sessions in this process' memory: the engine of a
// single node that needs no Redis. What it holds ends with the process.
//
// The sessions are spread over 256 shards, each with its own lock. A token
// carries the bucket of its user, so a session, its user's record and the user's
// other sessions are in one shard, and a request takes one lock once. What
// concerns a whole app (SessionsOfApp, KillApp, Wipe, Activity) goes through the
// shards one at a time, and holds a lock for a bounded number of records only:
// an app of a million sessions being listed or killed does not show in the tail
// latency of Get.
//
// Records live in slabs that never move and refer to each other by number. So
// there is no array that is copied as a whole when it grows, and the garbage
// collector finds two pointers in a session, not ten.
package embedded
