package main

import (
	"log"

	"rest-sessions/handlers"
	"rest-sessions/handlers/listener"
	"rest-sessions/handlers/metrics"
	"rest-sessions/internal/config"
	"rest-sessions/internal/pseudonym"
	"rest-sessions/store/redis"
)

// reloads tell metrics of what SIGHUP takes up; nil for what it does not. Of Redis its
// observer tells.
type reloads struct {
	config                    config.Config
	keys, certificate, logIDs *metrics.Reload
	ids                       *pseudonym.Maker // with a key from a file, else nil
}

func newReloads(c config.Config, counts *metrics.Metrics, ln *listener.Listener, ids *pseudonym.Maker) (r reloads) {
	r.config = c
	if c.KeysFile() != "" {
		r.keys = counts.Reload(metrics.ReloadKeys)
	}
	if ln.TLS() {
		r.certificate = counts.Reload(metrics.ReloadCertificate)
	}
	if ids != nil && c.LogIDsKeyFile() != "" {
		r.ids, r.logIDs = ids, counts.Reload(metrics.ReloadLogIDs)
	}
	return r
}

// reload takes up, on SIGHUP, what can change while the server runs.
func (r reloads) reload(api *handlers.API, ln *listener.Listener, sessions engine) {
	if path := r.config.KeysFile(); path != "" {
		r.keys.Done(api.ReloadKeys(path))
	} else {
		log.Print("reload: the API keys have not changed: only those of RS_API_KEYS_FILE can be read again")
	}
	if ln.TLS() {
		err := ln.Reload()
		r.certificate.Done(err == nil)
		if err != nil {
			log.Printf("warning: reload: the certificate has not changed: %v", err)
		} else {
			log.Print("reload: new connections get the new certificate")
		}
	}
	if r.ids != nil {
		err := r.config.ReloadPseudonyms(r.ids)
		r.logIDs.Done(err == nil)
		if err != nil {
			log.Printf("warning: reload: the key of pseudonyms is as before: %v", err)
		} else {
			log.Printf("reload: the key of pseudonyms from %s", r.config.LogIDsKeyFile())
		}
	}
	if s, ok := sessions.(*redis.Store); ok {
		s.Reload() // says in the log what came of it
	}
}
