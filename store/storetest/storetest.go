// Package storetest holds what every engine must pass: Run, the conformance suite of
// store.Store, and Differential, which drives two engines with the same random operations
// and compares each answer. Faulty is for the tests of those who use a store. Time is
// injected by a Clock, so nothing here sleeps.
package storetest

import (
	"testing"

	"rest-sessions/store"
)

// Run runs the conformance suite. open is called once for each test: it returns
// an empty store whose only clock is the given one. Run closes the store. The tests
// run in parallel.
func Run(t *testing.T, open func(t *testing.T, clock *Clock) store.Store) {
	for _, c := range []struct {
		name string
		test func(*suite)
	}{
		{"Ping", testPing},
		{"Counters", testCounters},
		{"FirstData", testFirstData},
		{"Missing", testMissing},
		{"Idle", testIdle},
		{"LongestTTL", testLongestTTL},
		{"ClockGoesBack", testClockGoesBack},

		{"Merge", testMerge},
		{"MergeKeepsText", testMergeKeepsText},
		{"MergeNested", testMergeNested},
		{"MergeManyKeys", testMergeManyKeys},
		{"MergeBigData", testMergeBigData},
		{"SetTooLarge", testSetTooLarge},
		{"SetTooLargeInSmallKeys", testSetTooLargeInSmallKeys},
		{"CreateTooLarge", testCreateTooLarge},
		{"SetCounts", testSetCounts},
		{"SetRevivesNothing", testSetRevivesNothing},

		{"ExpiryBoundary", testExpiryBoundary},
		{"ExpiryFollowsActivity", testExpiryFollowsActivity},
		{"OverIsNoActivity", testOverIsNoActivity},
		{"KillAppCountsUnwiped", testKillAppCountsUnwiped},
		{"KillLeavesUnwiped", testKillLeavesUnwiped},

		{"NoResave", testNoResave},
		{"NoResaveLastSecond", testNoResaveLastSecond},
		{"NoResaveDoesNotDrift", testNoResaveDoesNotDrift},
		{"NoResaveWipe", testNoResaveWipe},

		{"MaxAgeBoundary", testMaxAgeBoundary},
		{"MaxAgeIgnoresActivity", testMaxAgeIgnoresActivity},
		{"MaxAgeKeepsTTL", testMaxAgeKeepsTTL},
		{"MaxAgeWipe", testMaxAgeWipe},
		{"MaxAgeClockGoesBack", testMaxAgeClockGoesBack},

		{"MaxSessions", testMaxSessions},
		{"MaxSessionsOrder", testMaxSessionsOrder},
		{"MaxSessionsOver", testMaxSessionsOver},
		{"MaxSessionsMany", testMaxSessionsMany},

		{"ActivityCountsUsers", testActivityCountsUsers},
		{"ActivityBoundary", testActivityBoundary},
		{"ActivityUntilWiped", testActivityUntilWiped},
		{"ActivityAfterKill", testActivityAfterKill},
		{"ActivityClockBack", testActivityClockBack},

		{"AppOrder", testAppOrder},
		{"AppBoundary", testAppBoundary},
		{"AppListFollowsActivity", testAppListFollowsActivity},
		{"ListsAreNoActivity", testListsAreNoActivity},
		{"LongIDList", testLongIDList},
		{"BigSessions", testBigSessions},
		{"EmptyLists", testEmptyLists},
		{"ListDuringChanges", testListDuringChanges},

		{"PagesAreTheWhole", testPagesAreTheWhole},
		{"PagesOfID", testPagesOfID},
		{"PagesDuringChanges", testPagesDuringChanges},
		{"PagesOfOneSecond", testPagesOfOneSecond},
		{"PagesOfABusyApp", testPagesOfABusyApp},
		{"PagesTakeTime", testPagesTakeTime},
		{"PagesDuringRotations", testPagesDuringRotations},
		{"PagesLeaveOutWhatIsOver", testPagesLeaveOutWhatIsOver},
		{"BadCursors", testBadCursors},
		{"PagesAgainstTouches", testPagesAgainstTouches},

		{"Kill", testKill},
		{"KillIDOfMany", testKillIDOfMany},
		{"KillAppOfMany", testKillAppOfMany},
		{"KillOthers", testKillOthers},

		{"Rotate", testRotate},
		{"RotateGrace", testRotateGrace},
		{"RotateOldTouches", testRotateOldTouches},
		{"RotateEnds", testRotateEnds},
		{"RotateChain", testRotateChain},
		{"RotateIndexes", testRotateIndexes},
		{"ListDuringRotations", testListDuringRotations},

		{"Details", testDetails},
		{"DetailsDiffer", testDetailsDiffer},
		{"GetWith", testGetWith},
		{"Peek", testPeek},
		{"Touch", testTouch},
		{"TouchTTL", testTouchTTL},
		{"TouchTTLStays", testTouchTTLStays},
		{"TouchMaxAge", testTouchMaxAge},
		{"SetIf", testSetIf},
		{"KillHandle", testKillHandle},
		{"KillHandleOfMany", testKillHandleOfMany},

		{"Move", testMove},
		{"MoveEnds", testMoveEnds},
		{"MoveTokens", testMoveTokens},
		{"MoveUsers", testMoveUsers},
		{"MoveSameUser", testMoveSameUser},
		{"MoveMaxSessions", testMoveMaxSessions},
		{"MoveMaxSessionsMany", testMoveMaxSessionsMany},
		{"MoveMaxSessionsByOldToken", testMoveMaxSessionsByOldToken},
		{"MoveMissing", testMoveMissing},
		{"MoveIDs", testMoveIDs},
		{"MoveLists", testMoveLists},

		{"Apps", testApps},
		{"IDs", testIDs},
		{"IPs", testIPs},

		{"WipeAt", testWipeAt},
		{"WipeSparesTouched", testWipeSparesTouched},
		{"WipeMany", testWipeMany},
		{"WipeKeepsUserWithOthers", testWipeKeepsUserWithOthers},

		{"ArgumentsAreCopied", testArgumentsAreCopied},
		{"AnswersStay", testAnswersStay},
		{"EndedContext", testEndedContext},

		{"ConcurrentSets", testConcurrentSets},
		{"ConcurrentGets", testConcurrentGets},
		{"ConcurrentKills", testConcurrentKills},
		{"SetAgainstKill", testSetAgainstKill},
		{"KillAppAgainstTraffic", testKillAppAgainstTraffic},
		{"WipeAgainstTouches", testWipeAgainstTouches},
		{"ListAgainstTouches", testListAgainstTouches},
		{"MaxSessionsAtOnce", testMaxSessionsAtOnce},
		{"RotateAtOnce", testRotateAtOnce},
		{"RotateAgainstKill", testRotateAgainstKill},
		{"ListAgainstRotations", testListAgainstRotations},
		{"SetIfAtOnce", testSetIfAtOnce},
		{"KillHandleAgainstRotations", testKillHandleAgainstRotations},
		{"KillHandleAtOnce", testKillHandleAtOnce},
		{"MoveAtOnce", testMoveAtOnce},
		{"MoveAgainstUpdates", testMoveAgainstUpdates},
		{"MoveAgainstKill", testMoveAgainstKill},
		{"MoveAgainstRotate", testMoveAgainstRotate},
		{"MoveMaxSessionsAtOnce", testMoveMaxSessionsAtOnce},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // most wait for a round trip or a write to disk
			clock := NewClock(startTime)
			s := open(t, clock)
			defer s.Close()
			c.test(&suite{T: t, ctx: t.Context(), clock: clock, store: s})
		})
	}
}
