package wire

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"

	"rest-sessions/store/redis/internal/layout"
)

// bucketWorkers is how many buckets of an app are worked on at once by scripts that
// take a good share of a millisecond.
const bucketWorkers = 4

// EachBucket calls f for each bucket, a few at once, from different ends of the slots, so
// mostly on different nodes. After an error no more is begun. What is in flight is not
// canceled: rueidis may be dialing for it, and who else waits for that would fail too.
func EachBucket(ctx context.Context, buckets []layout.Bucket, f func(ctx context.Context, index int, b layout.Bucket) error) error {
	if len(buckets) == 1 {
		return f(ctx, 0, buckets[0])
	}
	var wg sync.WaitGroup
	var failed atomic.Bool
	errs := make([]error, bucketWorkers)
	for w := range bucketWorkers {
		wg.Go(func() {
			for i := w * len(buckets) / bucketWorkers; i < (w+1)*len(buckets)/bucketWorkers && !failed.Load(); i++ {
				if errs[w] = f(ctx, i, buckets[i]); errs[w] != nil {
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	return cmp.Or(errs...)
}
