package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/rueidis"

	"rest-sessions/store/redis/internal/layout"
)

// connect makes one attempt.
func (c *connector) connect(ctx context.Context) (*Conn, error) {
	option := c.option.get()
	if option.Sentinel.MasterSet != "" {
		client, err := newClient(option)
		if err != nil {
			return nil, err
		}
		return &Conn{Client: client, Layout: layout.Classic(c.keys.NS)}, nil
	}
	var all error
	for _, addr := range option.InitAddress {
		conn, err := c.connectTo(ctx, option, addr)
		if _, told := errors.AsType[Mistake](err); err == nil || told {
			return conn, err
		}
		if all == nil {
			all = err
		} else {
			all = fmt.Errorf("%w; %w", all, err)
		}
	}
	return nil, all
}

// connectTo connects to what the server at addr says it is.
func (c *connector) connectTo(ctx context.Context, all rueidis.ClientOption, addr string) (*Conn, error) {
	option := all
	option.InitAddress = []string{addr}
	option.ForceSingleClient = true
	client, err := newClient(option)
	if err != nil {
		if option.SelectDB != 0 && strings.Contains(err.Error(), "cluster mode") {
			err = Mistake("it is a Redis Cluster, which has only database 0")
		}
		return nil, err
	}
	asking, cancel := context.WithTimeout(ctx, option.ConnWriteTimeout)
	defer cancel()
	mode, role, err := modeOf(asking, client)
	switch {
	case err != nil:
	case mode == "cluster":
		client.Close()
		return c.connectCluster(asking, all)
	case mode == "sentinel":
		err = Mistake("it is a Sentinel: the URL must name the master that it watches, as in redis://host:26379/0?master_set=mymaster")
	case len(all.InitAddress) > 1:
		err = Mistake(addr + " is not a Redis Cluster, so the URL may name only one host; for Sentinels, add master_set to the URL")
	case role != "" && role != "master" && !c.anyRole:
		err = fmt.Errorf("it is a %s, not a master: it accepts no writes", role)
	default:
		return &Conn{Client: client, Layout: layout.Classic(c.keys.NS)}, nil
	}
	client.Close()
	return nil, err
}

// newClient is rueidis.NewClient without its client that comes with an error.
func newClient(option rueidis.ClientOption) (rueidis.Client, error) {
	client, err := rueidis.NewClient(option)
	if err != nil && client != nil {
		client.Close()
	}
	return client, err
}

// modeOf asks a server what it is: standalone, cluster or sentinel; and its role, as in
// master or replica, "" if it does not say. HELLO is asked since any user may send it,
// whatever the access list says.
func modeOf(ctx context.Context, client rueidis.Client) (mode, role string, err error) {
	hello, err := client.Do(ctx, client.B().Arbitrary("HELLO").Build().ToPipe()).AsMap()
	if err == nil {
		said := hello["mode"]
		if text, err := said.ToString(); err == nil {
			said = hello["role"]
			role, _ := said.ToString()
			return text, role, nil
		}
	} else if !refuses(err) {
		return "", "", err
	}
	// A proxy or an older server that does not know HELLO.
	info, err := client.Do(ctx, client.B().Info().Section("cluster").Build().ToPipe()).ToString()
	if err == nil && strings.Contains(info, "cluster_enabled:1") {
		return "cluster", "", nil
	}
	if err != nil && !refuses(err) {
		return "", "", err
	}
	return "standalone", "", nil
}
