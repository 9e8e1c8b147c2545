package load

import (
	"errors"
	"fmt"
	"sync"

	"rest-sessions/loadtest/model"
)

// Tally counts what came of requests. It may be used by any number of goroutines.
type Tally struct {
	mu       sync.Mutex
	Requests int
	Wrong    int            // answers that cannot be true
	Errors   map[string]int // no answer, or a status of failure, by what it was
	Examples []string       // the first wrong answers
}

// examplesKept is enough to see what is wrong; the rest is counted.
const examplesKept = 10

// Failed is the number of requests without a right answer, wrong ones included.
func (t *Tally) Failed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	failed := t.Wrong
	for _, n := range t.Errors {
		failed += n
	}
	return failed
}

// judge counts the answer to r: a status, or failure if there is none.
func (t *Tally) judge(m *model.Model, r *model.Request, status int, body []byte, failure string) error {
	var err error
	switch {
	case failure != "" && status == 0:
		err = errors.New(failure)
	case status != 200:
		err = fmt.Errorf("%v: status %d", r.Kind, status)
	default:
		err = m.Check(r, body)
	}
	t.count(err)
	return err
}

func (t *Tally) count(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Requests++
	if err == nil {
		return
	}
	var wrong *model.Wrong
	if errors.As(err, &wrong) {
		t.Wrong++
		if len(t.Examples) < examplesKept {
			t.Examples = append(t.Examples, wrong.Error())
		}
		return
	}
	if t.Errors == nil {
		t.Errors = map[string]int{}
	}
	t.Errors[failureClass(err.Error())]++
}
