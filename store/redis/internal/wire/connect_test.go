package wire

import (
	"context"
	"testing"

	"github.com/redis/rueidis"

	"rest-sessions/internal/redistest"
	"rest-sessions/store/redis/internal/layout"
)

// closings is a client that counts how often it is closed.
type closings struct {
	rueidis.Client
	n int
}

func (c *closings) Close() { c.n++ }

// TestLostWhileClosing has a connection be lost when nobody is there to close it any
// more but close itself.
func TestLostWhileClosing(t *testing.T) {
	server := redistest.Start(t)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr()}, ForceSingleClient: true, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const moved = "return redis.error_reply('MOVED 1 127.0.0.1:1')"
	said := client.Do(context.Background(), client.B().Eval().Script(moved).Numkeys(0).Build()).Error()

	c := &connector{stop: func() {}, ended: make(chan struct{}), lost: make(chan *Conn, 1)}
	close(c.ended) // run has ended
	lost := &closings{}
	conn := &Conn{Client: lost}
	c.made.Store(conn)
	c.onRefusal(conn, said)
	if c.made.Load() != nil {
		t.Fatalf("the connection is still in use after %v", said)
	}
	c.close()
	if lost.n != 1 {
		t.Errorf("it was closed %d times", lost.n)
	}
}

// TestSingleInPlaceOfCluster has a single server where a cluster was a moment ago: with the
// keys of a cluster no session would be found in it.
func TestSingleInPlaceOfCluster(t *testing.T) {
	server := redistest.Start(t)
	c := &connector{cluster: func(context.Context, rueidis.Client) (layout.Layout, error) {
		t.Error("it is given the layout of a cluster")
		return layout.Layout{}, nil
	}}
	if conn, err := c.connectCluster(t.Context(), rueidis.ClientOption{InitAddress: []string{server.Addr()}, DisableCache: true}); err == nil {
		t.Error("it is taken for a cluster")
		conn.Client.Close()
	}
}
