// Package store says what a session store is: the Store interface, the types
// it speaks, its errors, and the rules every engine shares (what is a valid
// app, id or token, how data is merged, when a session may be wiped).
//
// Engines live in sub-packages named for what they are made with: store/redis
// and store/embedded. store/storetest holds the conformance suite that each of
// them passes.
package store
