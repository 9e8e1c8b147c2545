package wire

import "sync/atomic"

// Waiter waits in a Batcher: a pointer to a struct that embeds a Wait. Until it is
// answered it belongs to the Batcher; a caller who gives up leaves it behind.
type Waiter interface{ wait() *Wait }

// Wait is what a Batcher needs of a Waiter.
type Wait struct {
	since    uint32 // tick of joining
	mayCarry bool   // whether the caller may carry a batch: its context never ends
	carries  bool   // whether the caller is to carry the next batch; set before done wakes it
	state    atomic.Uint32
	// done gets an element when state is no longer waiting, and one each time that another
	// has set carries.
	done chan struct{}
	// Retry is set by the answer function if Redis refused, without doing anything, what may
	// succeed in another batch, after a pause; AtOnce beside it if nothing but the others of
	// the batch was in the way.
	Retry, AtOnce bool
}

// The states of a Wait.
const (
	waiting uint32 = iota
	answered
	expired
)

// NewWait makes the Wait of a new Waiter.
func NewWait() Wait { return Wait{done: make(chan struct{}, 2)} }

func (w *Wait) wait() *Wait { return w }

// finish ends the wait and wakes the caller, unless it has ended.
func (w *Wait) finish(state uint32) {
	if w.state.CompareAndSwap(waiting, state) {
		w.done <- struct{}{}
	}
}

// carry wakes the caller, who carries, for the next batch. w may be nil.
func (w *Wait) carry() {
	if w != nil {
		w.done <- struct{}{}
	}
}
