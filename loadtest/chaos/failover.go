//go:build linux

package main

import "time"

// failOver hands the sessions over to another Redis, without a loss, while the address
// that the server knows leads to the first, which is a replica then.
func failOver(t *trial, f *form) error {
	second, err := t.site.StartReplica()
	if err != nil {
		return err
	}
	t.struck() // only now
	if err := t.site.FailOver(); err != nil {
		return err
	}
	time.Sleep(f.hold)
	t.site.Proxy.Point(second)
	return nil
}

// stopFirst leaves the second alone to read from.
func stopFirst(t *trial) { t.site.Redis.Stop() }
