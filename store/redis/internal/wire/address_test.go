package wire

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseAddress(t *testing.T) {
	for url, want := range map[string]address{
		"redis://h":                               {hosts: []string{"h:6379"}},
		"valkey://h:1":                            {hosts: []string{"h:1"}},
		"redis://":                                {hosts: []string{"localhost:6379"}},
		"redis://:7000/3":                         {hosts: []string{"localhost:7000"}, db: 3},
		"redis://[::1]:7000/":                     {hosts: []string{"[::1]:7000"}},
		"redis://[::1]":                           {hosts: []string{"[::1]:6379"}},
		"redis://u:p@h:1/2":                       {hosts: []string{"h:1"}, user: "u", password: "p", db: 2},
		"redis://:p%2F%40@h?db=2":                 {hosts: []string{"h:6379"}, password: "p/@", db: 2},
		"redis://:a,b@h":                          {hosts: []string{"h:6379"}, password: "a,b"},
		"redis://:a@b@h":                          {hosts: []string{"h:6379"}, password: "a@b"},
		"redis://u@h":                             {hosts: []string{"h:6379"}, user: "u"},
		"rediss://h":                              {hosts: []string{"h:6379"}, tls: true},
		"rediss://h?skip_verify=1":                {hosts: []string{"h:6379"}, tls: true, skipVerify: true},
		"unix:///run/redis.sock":                  {hosts: []string{"/run/redis.sock"}, unix: true},
		"unix:/run/redis.sock":                    {hosts: []string{"/run/redis.sock"}, unix: true},
		"unix://u:p@/run/r?db=1":                  {hosts: []string{"/run/r"}, unix: true, user: "u", password: "p", db: 1},
		"h:1,h:2, [::1]:3":                        {hosts: []string{"h:1", "h:2", "[::1]:3"}},
		"redis://h:1,i,j:3":                       {hosts: []string{"h:1", "i:6379", "j:3"}},
		"redis://h:1?addr=i&addr=:3":              {hosts: []string{"h:1", "i:6379", "localhost:3"}},
		"rediss://u:p@h:1,rediss://u:p@h:2":       {hosts: []string{"h:1", "h:2"}, tls: true, user: "u", password: "p"},
		"redis://:p@h:1, redis://h:2,redis://h:3": {hosts: []string{"h:1", "h:2", "h:3"}, password: "p"},
		"redis://u:p@a:26380,b/4?master_set=m&sentinel_user=su&sentinel_password=s%26p": {
			hosts: []string{"a:26380", "b:26379"}, user: "u", password: "p", db: 4, master: "m", sentinelUser: "su", sentinelPassword: "s&p"},
		"redis://a,redis://b/0?master_set=m": {hosts: []string{"a:6379", "b:6379"}, master: "m"},
	} {
		if url == "redis://a,redis://b/0?master_set=m" { // the port is the Sentinels'
			want.hosts = []string{"a:26379", "b:26379"}
		}
		got, err := parseAddress(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is\n%+v, not\n%+v", url, got, want)
		}
	}
}

func TestBadAddress(t *testing.T) {
	for url, want := range map[string]string{
		"http://h":                      "must begin with redis://",
		"redis://h:port":                "a host in the URL",
		"redis://h:0":                   "a host in the URL",
		"redis://h:65536":               "a host in the URL",
		"redis://h,,i":                  "a host in the URL",
		"redis://:secr/et@h":            "a host in the URL",
		"redis://:secr#et@h":            "a host in the URL",
		"redis://:secr?et@h":            "a host in the URL",
		"redis://:secret%zz@h":          "not a URL of the form",
		"redis://::1":                   "a host in the URL",
		"redis://u:secret@h/x":          "must be a number",
		"redis://u:secret@h/-1":         "must be a number",
		"redis://h/1/2":                 "must be a number",
		"redis://h/1?db=2":              "two databases",
		"redis://h?max_retries=1":       "an unknown option; the options are addr",
		"redis://h?a;b":                 "what follows the ?",
		"redis://h?db=1&db=1":           "db is in the URL twice",
		"redis://h?skip_verify=1":       "needs a URL that begins with rediss://",
		"rediss://h?skip_verify=x":      "true or false",
		"redis://h?sentinel_user=u":     "need master_set",
		"redis://h?master_set=":         "master_set in the URL is empty",
		"redis://h,i/1":                 "only database 0",
		"redis://:secret@h,redis://u@h": "may differ in their hosts only",
		"redis://h,rediss://h":          "may differ in their hosts only",
		"redis://h/1,redis://h/2":       "may differ in their hosts only",
		"redis://h?db=1,redis://h?db=2": "may differ in their hosts only",
		"unix://run/redis.sock":         "unix:///path",
		"unix://":                       "unix:///path",
		"unix:///a,unix:///a":           "there can be only one",
		"unix:///a?master_set=m":        "a Unix socket cannot lead to Sentinels",
	} {
		a, err := parseAddress(url)
		if err == nil {
			t.Errorf("%s was taken: %+v", url, a)
		} else if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secr") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string // "" for none
	}{
		{Options{Host: "h", Port: 1, User: "u", Password: "p"}, ""},
		{Options{URL: "redis://u@h", Password: "p"}, ""},
		{Options{URL: "redis://h?master_set=m&sentinel_user=u", SentinelPassword: "p"}, ""},
		{Options{URL: "redis://u@h", User: "v"}, "the user is given twice, in the URL"},
		{Options{URL: "redis://:secret@h", Password: "secret"}, "the password is given twice, in the URL"},
		{Options{URL: "redis://h?master_set=m&sentinel_password=secret", SentinelPassword: "secret"}, "of the Sentinels is given twice"},
		{Options{URL: "redis://h", SentinelPassword: "secret"}, "need a URL with master_set"},
		{Options{Host: "h", Port: 1, SentinelUser: "u"}, "need a URL with master_set"},
		{Options{Host: "h", Port: 1, TLS: TLS{ServerName: "h"}}, "begins with rediss://"},
		{Options{URL: "redis://h", TLS: TLS{CA: "/none"}}, "begins with rediss://\nCA certificates: open /none"},
		{Options{URL: "rediss://h", TLS: TLS{CA: "/none"}}, "CA certificates: open /none"},
		{Options{URL: "rediss://h", TLS: TLS{CA: "address_test.go"}}, "holds none in PEM"},
		{Options{URL: "rediss://h", TLS: TLS{Cert: "/none"}}, "both its file and its key's"},
		{Options{URL: "rediss://h", TLS: TLS{Cert: "/none", Key: "/none"}}, "client certificate: open /none"},
	} {
		c.o.Timeout = time.Second
		err := errors.Join(c.o.Check()...)
		switch {
		case err == nil && c.want != "":
			t.Errorf("%+v was taken", c.o)
		case err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret")):
			t.Errorf("%+v: %v", c.o, err)
		}
		if _, open := clientOption(c.o); (open == nil) != (err == nil) {
			t.Errorf("%+v: New would say %v, Check %v", c.o, open, err)
		}
	}
}

// FuzzParseAddress puts a password into all that can be around it: no error shows
// it, and what is taken has it whole.
func FuzzParseAddress(f *testing.F) {
	for _, seed := range [][2]string{
		{"redis://user:", "@h:1,h:2/3?addr=h:4"}, {"redis://h,redis://:", "@h"}, {"unix://:", "@/path?db=2"},
		{"", "@h"}, {"redis://h/0?master_set=m&sentinel_password=", ""}, {"redis://[", "::1]:6379"}, {"redis://h?", "=%zz;"},
	} {
		f.Add(seed[0], seed[1])
	}
	const secret = "Hq7vXw"
	f.Fuzz(func(t *testing.T, before, after string) {
		a, err := parseAddress(before + secret + after)
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%q %q: %v", before, after, err)
		}
		if err == nil && len(a.hosts) == 0 {
			t.Errorf("%q %q: no hosts in %+v", before, after, a)
		}
	})
}
