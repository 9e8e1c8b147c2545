package storetest

import (
	"os"
	"testing"

	"rest-sessions/store"
)

// bugs are those a model may have: each breaks the contract, and so must fail the
// suite.
var bugs = []string{
	"a changed key goes last",
	"a list goes by place",
	"a list goes by token alone",
	"a list holds what is over",
	"a list is activity",
	"a list is one page",
	"a list leaves out its boundary",
	"a list may have an empty page",
	"a list orders tokens upwards",
	"a null is stored",
	"a read counts itself",
	"a set does not touch",
	"a set makes a session",
	"a set revives",
	"a user goes with any session",
	"a user outlives the last session",
	"activity counts sessions",
	"activity counts users with a session",
	"activity leaves out its boundary",
	"alive a second too long",
	"an empty object is left",
	"an ended context is no such session",
	"an ended context is not seen",
	"an id ends at a NUL",
	"an id ends at its colon",
	"an id finds what begins with it",
	"answers change",
	"arguments are kept",
	"first nulls are kept",
	"idle may be negative",
	"kill finds any",
	"kill takes a session that is over",
	"killapp counts the living",
	"killapp ends after a page",
	"killapp takes apps that begin alike",
	"killid counts what is over",
	"killid ends after a page",
	"no resave drifts",
	"no resave is saved again",
	"numbers are rounded",
	"over a second too early",
	"reads are lost",
	"sets are lost",
	"the ttl left is not answered",
	"touches are lost",
	"touches are no activity of the user",
	"wipe ends after a page",
	"wipe ignores touches",
	"wipe is a second late",
	"wipe takes the living",
	"wipe takes what is just over",
	"writes are not counted",
}

// bugEnv makes TestModel run the suite on a model with a bug.
const bugEnv = "STORETEST_BUG"

func TestModel(t *testing.T) {
	bug := os.Getenv(bugEnv)
	Run(t, func(_ *testing.T, clock *Clock) store.Store { return newModel(clock, bug) })
}
