package store

import "slices"

// TopN keeps the first n of many items by an order, in memory for 2n. Of equal items it
// keeps one.
type TopN[T any] struct {
	n      int
	order  func(a, b T) int
	kept   []T
	sorted int // how many of kept are in order and none twice
}

// NewTopN returns an empty one.
func NewTopN[T any](n int, order func(a, b T) int) *TopN[T] {
	return &TopN[T]{n: n, order: order}
}

// Add adds x.
func (f *TopN[T]) Add(x T) {
	if f.sorted == f.n && f.order(x, f.kept[f.n-1]) >= 0 {
		return
	}
	if f.kept = append(f.kept, x); len(f.kept) >= 2*f.n {
		f.sort()
	}
}

func (f *TopN[T]) sort() {
	if f.sorted == len(f.kept) {
		return
	}
	slices.SortFunc(f.kept, f.order)
	f.kept = slices.CompactFunc(f.kept, func(a, b T) bool { return f.order(a, b) == 0 })
	f.kept = f.kept[:min(f.n, len(f.kept))]
	f.sorted = len(f.kept)
}

// All returns what is kept, in order. It is valid until the next Add.
func (f *TopN[T]) All() []T {
	f.sort()
	return f.kept
}

// Last returns the n-th in order, if there are so many: what comes after it need
// not be added.
func (f *TopN[T]) Last() (last T, full bool) {
	if len(f.kept) >= f.n {
		f.sort()
	}
	if len(f.kept) < f.n {
		return last, false
	}
	return f.kept[f.n-1], true
}
