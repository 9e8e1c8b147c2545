package embedded

import (
	"slices"
	"sort"
)

// activityLog counts users by the second of their last activity, in order. Seconds that no
// user has are not kept, so it never has more entries than users. With 4,000 users, a
// shard's share of a million, each active every ten minutes, a move takes 0.12 us, with
// 40,000 0.35 us; with each in a second of his own, 0.8 and 12 us.
type activityLog struct {
	seconds []second
	users   int64
}

type second struct{ at, users int64 }

// since returns the number of users with a last activity at from or later.
func (l *activityLog) since(from int64) (users int64) {
	i := l.find(from)
	if i < len(l.seconds)/2 {
		users = l.users
		for _, s := range l.seconds[:i] {
			users -= s.users
		}
		return users
	}
	for _, s := range l.seconds[i:] {
		users += s.users
	}
	return users
}

// move takes a user from one second to another.
func (l *activityLog) move(from, to int64) {
	if from != to {
		l.add(to)
		l.remove(from)
	}
}

// add counts a user at a second.
func (l *activityLog) add(at int64) {
	l.users++
	if i := l.find(at); i < len(l.seconds) && l.seconds[i].at == at {
		l.seconds[i].users++
	} else {
		l.seconds = slices.Insert(l.seconds, i, second{at, 1})
	}
}

// remove takes away a user counted at a second.
func (l *activityLog) remove(at int64) {
	l.users--
	i := l.find(at)
	if l.seconds[i].users--; l.seconds[i].users > 0 {
		return
	}
	l.seconds = slices.Delete(l.seconds, i, i+1)
	if n := len(l.seconds); n <= cap(l.seconds)/4 {
		l.seconds = append(make([]second, 0, 2*n), l.seconds...) // nothing for none
	}
}

// find returns the index of the first second that is not before at, nearly always the
// last or the one after it.
func (l *activityLog) find(at int64) int {
	last := len(l.seconds) - 1
	switch {
	case last < 0 || l.seconds[last].at < at:
		return last + 1
	case l.seconds[last].at == at:
		return last
	}
	return sort.Search(last, func(i int) bool { return l.seconds[i].at >= at })
}
