// Package embedded keeps sessions in this process' memory: the engine of a
// single node that needs no Redis. What a Store of New holds ends with the process;
// one of Open has it on disk too.
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
//
// On disk, each session is a record under its serial. Memory is what is read and
// changed, and disk follows it: a method that changes a session does so, queues
// where that was for the journal, and answers when a commit has written it. So
// others may see a change before it is on disk, and an answer never rests on one
// that is not: "no such session" waits for the commit of the kill that it is due to, in Get too.
// What reads change (the counter, the last activity) is not waited for, nor is a Touch
// that changes no end; it goes to a log within a second. A change that the disk refused stays in memory and is
// written as soon as that works; until then no other is made.
package embedded
