package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"rest-sessions/store/embedded"
)

// openData opens the embedded engine on the directory that the configuration names.
func openData(c config, environ map[string]string) (*embedded.Store, string, error) {
	if namesRedis(environ) {
		log.Print("warning: RS_DATA is set, so sessions are kept there, not in Redis, though an RS_REDIS variable is set too")
	}
	s, err := embedded.Open(embedded.Options{Dir: c.Data, Timeout: c.Timeout, Logf: log.Printf})
	if err != nil {
		return nil, "", fmt.Errorf("RS_DATA: %w", err)
	}
	return s, fmt.Sprintf("%d sessions in this process' memory and in %s (RS_DATA)", s.Len(), c.Data), nil
}

// backUp writes a copy of the sessions beside them on each SIGUSR1, until ctx ends.
// A file that is in use cannot be copied from outside: its pages change meanwhile.
func backUp(ctx context.Context, s *embedded.Store) {
	if backupSignal == nil {
		return
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, backupSignal)
	defer signal.Stop(asked)
	for {
		select {
		case <-ctx.Done():
			return
		case <-asked:
		}
		began := time.Now()
		path, err := s.BackUp()
		if err != nil {
			log.Printf("backup failed: %v", err)
			continue
		}
		log.Printf("backup: %s, in %v", path, time.Since(began).Round(time.Millisecond))
	}
}
