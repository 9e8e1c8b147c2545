package wire

import "testing"

func TestHidePasswords(t *testing.T) {
	for text, want := range map[string]string{
		"redis://db":                              "redis://db",
		"redis://:secret@db:6379/1":               "redis://:(hidden)@db:6379/1",
		"rediss://bob:secret@db?skip_verify=true": "rediss://bob:(hidden)@db?skip_verify=true",
		"redis://secret@db":                       "redis://(hidden)@db",
		"redis://b%40b:sec%40ret@db":              "redis://b%40b:(hidden)@db",
		"redis://bob:sec@ret@db":                  "redis://bob:(hidden)@db",
		"redis://:secret@a,b:1,[::1]:2":           "redis://:(hidden)@a,b:1,[::1]:2",
		"redis://:secret@a, redis://:secret@b":    "redis://:(hidden)@a,redis://:(hidden)@b",
		"redis://a/0?master_set=m&sentinel_user=u&sentinel_password=secret&addr=b:2": "redis://a/0?addr=b:2&master_set=m&sentinel_password=(hidden)&sentinel_user=u",
		"unix:///run/redis.sock?db=1":       "unix:///run/redis.sock?db=1",
		"unix:/run/redis.sock":              "unix:///run/redis.sock",
		"unix://bob:secret@/run/redis.sock": "unix://bob:(hidden)@/run/redis.sock",
		"db:6379":                           "db:6379",
		"db,db2":                            "db,db2",

		"redis://:sec/ret@db":        "(hidden)",
		"redis://:12/secret@db":      "(hidden)",
		"redis://:secret?x@db":       "(hidden)",
		"redis://:secret#x@db":       "(hidden)",
		"redis://:sec%ret@db":        "(hidden)",
		"redis://db?password=secret": "(hidden)",
		"redis://db/secret":          "(hidden)",
		"http://secret":              "(hidden)",
		"secret@":                    "(hidden)@",
	} {
		if got := HidePasswords(text); got != want {
			t.Errorf("%s is shown as %s, not %s", text, got, want)
		}
	}
}
