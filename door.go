package main

import (
	"errors"
	"fmt"
	"log"
	"syscall"

	"rest-sessions/handlers/listener"
)

// fewConnections is how many a start warns below: Linux' usual soft limit of open files
// is 1,024, so a process with a lower hard limit got that by mistake.
const fewConnections = 960

// warnOfDoor warns if too many can come in, or too few.
func warnOfDoor(door *listener.Listener, keys bool) {
	if n := listener.MaxConnections(); n < fewConnections {
		log.Printf("warning: at most %d connections are served, since this process may open %d files only: raise its hard limit of open files "+
			"(ulimit -Hn of a shell, LimitNOFILE= of systemd, --ulimit nofile= of Docker)", n, listener.MaxFiles())
	}
	if !keys && door.Open() {
		log.Printf("warning: whoever can reach %s can read, change and end every session: set RS_API_KEYS, or RS_HOST=127.0.0.1", door.Addr())
	}
}

// healthy asks the server of the same configuration whether it is.
func (c config) healthy() error {
	err := c.listener().Healthy(healthTimeout)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) {
		return fmt.Errorf("%w: no server listens there; is it running? The healthcheck needs the RS_HOST and RS_PORT of the server", err)
	}
	return err
}
