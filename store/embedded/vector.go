package embedded

// vectorChunk is the length of a chunk: 2 KiB of slot numbers, 6 KiB of timers.
const vectorChunk = 512

// vector is a growing array in chunks. It grows by a chunk where append would
// copy the whole, under the shard's lock. Its first chunk starts small, since
// most apps of a server with many have a few sessions a shard.
type vector[T any] struct {
	chunks [][]T
	n      int
}

// at returns the i-th element. The pointer is valid until the next push or pop.
func (v *vector[T]) at(i int) *T { return &v.chunks[i/vectorChunk][i%vectorChunk] }

func (v *vector[T]) push(x T) {
	c := v.n / vectorChunk
	if c == len(v.chunks) {
		size := vectorChunk
		if c == 0 {
			size = 2
		}
		v.chunks = append(v.chunks, make([]T, 0, size))
	}
	v.chunks[c] = append(v.chunks[c], x)
	v.n++
}

// pop removes the last element, and frees a chunk once it is empty.
func (v *vector[T]) pop() T {
	v.n--
	c, i := v.n/vectorChunk, v.n%vectorChunk
	x := v.chunks[c][i]
	if i > 0 {
		v.chunks[c] = v.chunks[c][:i]
		return x
	}
	v.chunks[c] = nil
	if v.chunks = v.chunks[:c]; c == 0 {
		v.chunks = nil
	}
	return x
}
