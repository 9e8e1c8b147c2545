package wire

import (
	"context"
	"errors"

	"github.com/redis/rueidis"
)

// maxRedirects bounds the MOVED and ASK that a call follows, so that nodes which
// point at each other do not hold it for ever.
const maxRedirects = 16

// connectCluster connects to what is a Redis Cluster.
func (c *connector) connectCluster(ctx context.Context, option rueidis.ClientOption) (*Conn, error) {
	option.ForceSingleClient = false
	option.PipelineMultiplex = 1 // two connections a node
	option.ClusterOption.MaxMovedRedirections = maxRedirects
	client, err := newClient(option)
	if err != nil {
		return nil, err
	}
	// rueidis makes do with a single server. One that took the cluster's place since it was
	// asked would be given keys in which no session is.
	if client.Mode() != rueidis.ClientModeCluster {
		client.Close()
		return nil, errors.New("it is no longer a Redis Cluster")
	}
	l, err := c.cluster(ctx, client)
	if err != nil {
		client.Close()
		return nil, err
	}
	return &Conn{Client: client, Layout: l}, nil
}
