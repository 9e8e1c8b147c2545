package embedded

// vector is an array that grows and shrinks at its end. Memory of what most elements have
// left is freed. With chunks in place of one slice a session took the same 267 bytes, and to
// grow to a million sessions was no faster: a shard has some 4,000 of them.
type vector[T any] struct {
	all []T
	n   int // len(all)
}

// at returns the i-th element. The pointer is valid until the next push or pop.
func (v *vector[T]) at(i int) *T { return &v.all[i] }

func (v *vector[T]) push(x T) {
	v.all = append(v.all, x)
	v.n++
}

// pop removes the last element.
func (v *vector[T]) pop() T {
	v.n--
	x := v.all[v.n]
	if v.all = v.all[:v.n]; v.n == 0 {
		v.all = nil
	} else if v.n <= cap(v.all)/4 {
		v.all = append(make([]T, 0, 2*v.n), v.all...)
	}
	return x
}
