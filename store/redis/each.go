package redis

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"

	"rest-sessions/store/redis/internal/layout"
)

// workers is how many buckets of an app are worked on at once by scripts that
// take a good share of a millisecond.
const workers = 4

// each calls f for each bucket, a few at once, from different ends of the slots, so
// mostly on different nodes. After an error no more is begun; what is in flight is
// not canceled (see registry.Any).
func each(ctx context.Context, buckets []layout.Bucket, f func(ctx context.Context, index int, b layout.Bucket) error) error {
	if len(buckets) == 1 {
		return f(ctx, 0, buckets[0])
	}
	var wg sync.WaitGroup
	var failed atomic.Bool
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := w * len(buckets) / workers; i < (w+1)*len(buckets)/workers && !failed.Load(); i++ {
				if errs[w] = f(ctx, i, buckets[i]); errs[w] != nil {
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	return cmp.Or(errs...)
}
