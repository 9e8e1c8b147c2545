package wire

import (
	"sync"

	"github.com/redis/rueidis"
)

// currentOptions makes the options of rueidis from ours as they are now.
type currentOptions struct {
	reload func() (Options, error) // nil: they stay
	logf   func(format string, args ...any)

	mu     sync.Mutex
	last   rueidis.ClientOption // the last that were right
	failed string               // why the present ones are not
}

func newOptions(o Options, option rueidis.ClientOption) *currentOptions {
	c := &currentOptions{reload: o.Reload, last: option, logf: o.Logf}
	c.addCredentials(&c.last)
	return c
}

// get returns the options for the next connection.
func (c *currentOptions) get() rueidis.ClientOption {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reload == nil {
		return c.last
	}
	o, err := c.reload()
	var option rueidis.ClientOption
	if err == nil {
		option, err = clientOption(o)
	}
	if err != nil {
		// A secret's file may be missing for a moment while it is replaced.
		if text := err.Error(); text != c.failed {
			c.failed = text
			c.logf("warning: redis: the last user and password are still used: %v", err)
		}
		return c.last
	}
	c.addCredentials(&option)
	c.last, c.failed = option, ""
	return option
}

// lastUsed returns the options of the last connection.
func (c *currentOptions) lastUsed() rueidis.ClientOption {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// addCredentials has rueidis ask for user and password whenever it dials by itself. With
// Sentinels it would send them those that are for Redis.
func (c *currentOptions) addCredentials(option *rueidis.ClientOption) {
	if c.reload == nil || option.Sentinel.MasterSet != "" {
		return
	}
	option.AuthCredentialsFn = func(rueidis.AuthCredentialsContext) (rueidis.AuthCredentials, error) {
		now := c.get()
		return rueidis.AuthCredentials{Username: now.Username, Password: now.Password}, nil
	}
}
