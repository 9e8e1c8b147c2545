package wire

import (
	"fmt"
	"testing"

	"github.com/redis/rueidis"
)

// TestDelayedTooLong has a waiter expire while it is delayed: it must not be sent.
func TestDelayedTooLong(t *testing.T) {
	sent := 0
	b := &Batcher[*call, pipelinePayload]{
		most: func() int { return maxPipelined }, timeout: testTimeout,
		send:   func(b *Batch[*call, pipelinePayload]) { sent += len(b.Waiters) },
		answer: func(*Batch[*call, pipelinePayload]) {},
		health: newHealth(new(health)),
	}
	late, inTime := &call{Wait: NewWait()}, &call{Wait: NewWait()}
	late.finish(expired)
	b.waiting = append(b.waiting, late, inTime) // as delay leaves them
	b.next(nil)
	if sent != 1 || inTime.state.Load() != answered {
		t.Errorf("%d were sent", sent)
	}
	if err := fmt.Errorf("%w", rueidis.ErrNoSlot); !SlotIsMoving(err) {
		t.Error("a slot whose node the client does not know yet is not waited for")
	}
}

// TestBatchIsBounded has more waiters than a batch may carry.
func TestBatchIsBounded(t *testing.T) {
	b := &Batcher[*call, pipelinePayload]{most: func() int { return 7 }}
	for range 20 {
		b.waiting = append(b.waiting, &call{Wait: NewWait()})
	}
	b.inFlight = make([]*Batch[*call, pipelinePayload], maxBatches-1) // so that no other starts
	batch, _ := b.take(nil)
	if n := len(batch.Waiters); n != 7 {
		t.Errorf("a batch carries %d", n)
	}
}
