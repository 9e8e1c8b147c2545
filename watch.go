package main

import (
	"rest-sessions/handlers/listener"
	"rest-sessions/handlers/metrics"
)

// sources are what metrics ask of the parts of the server.
func sources(door *listener.Listener, sessions engine, dropped func() uint64) metrics.Sources {
	return metrics.Sources{
		Connections: func() int { return int(door.Connections()) },
		Writable:    sessions.Writable,
		Dropped:     dropped,
	}
}
