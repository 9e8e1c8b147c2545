package main

import (
	"log"

	"rest-sessions/handlers"
	"rest-sessions/handlers/listener"
	"rest-sessions/handlers/metrics"
	"rest-sessions/internal/pseudonym"
	"rest-sessions/store/redis"
)

// reloads tell metrics of what SIGHUP takes up; nil for what it does not. Of Redis its
// observer tells.
type reloads struct {
	keys, certificate, logIDs *metrics.Reload
	ids                       *pseudonym.Maker // with a key from a file, else nil
}

func newReloads(counts *metrics.Metrics, door *listener.Listener, ids *pseudonym.Maker, environ map[string]string) (r reloads) {
	if environ[keysName+"_FILE"] != "" {
		r.keys = counts.Reload(metrics.ReloadKeys)
	}
	if door.TLS() {
		r.certificate = counts.Reload(metrics.ReloadCertificate)
	}
	if ids != nil && environ[logIDsKeyFile] != "" {
		r.ids, r.logIDs = ids, counts.Reload(metrics.ReloadLogIDs)
	}
	return r
}

// reload takes up, on SIGHUP, what can change while the server runs.
func (r reloads) reload(api *handlers.API, door *listener.Listener, sessions engine, environ map[string]string) {
	if path := environ[keysName+"_FILE"]; path != "" {
		r.keys.Done(api.ReloadKeys(path))
	} else {
		log.Printf("reload: the API keys have not changed: only those of %s_FILE can be read again", keysName)
	}
	err := door.Reload()
	r.certificate.Done(err == nil)
	if err != nil {
		log.Printf("warning: reload: the certificate has not changed: %v", err)
	} else if door.TLS() {
		log.Print("reload: new connections get the new certificate")
	}
	if r.ids != nil {
		r.logIDs.Done(reloadPseudonyms(r.ids, environ[logIDsKeyFile]))
	}
	if s, ok := sessions.(*redis.Store); ok {
		s.Reload() // says in the log what came of it
	}
}
