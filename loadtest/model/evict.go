package model

// Evicting notes that from now on the server's store may drop any session, whole, and what
// lists find them by: {}, a kill of 0 and a list that lacks some are then true. A session
// that was told to be gone must stay so, and one that is told must be right.
func (m *Model) Evicting() { m.setEvicting(true) }

// Retained notes that the store drops nothing more, that no request is in flight, and that
// every session has been read since: those that were there must stay, and be listed.
func (m *Model) Retained() { m.setEvicting(false) }

func (m *Model) setEvicting(is bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tick()
	m.evicting = is
}

// evictable reports whether v's session may be gone, as far as an answer that comes now can
// tell: the store could drop it when the request was sent, or can since.
func (m *Model) evictable(v *view) bool { return m.evicting || v.evicting }

// Evicted is how many sessions were told to be gone that nobody asked to kill.
func (m *Model) Evicted() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.evicted
}
