// Package store says what a session store is: the interface Store, its types and errors, and
// the rules that all engines share (valid apps, ids and tokens; how data is merged; when a
// session may be wiped). The engines are store/redis and store/embedded; store/storetest
// holds the tests that each must pass.
package store
