package redis

// The names of the classic layout, for tests that look into one Redis.

func (k keyspace) classicLayout() layout { return layout{keyspace: k} }

func (k keyspace) session(app, token string) string {
	return k.classicLayout().classic(app).session(token)
}
func (k keyspace) sessions(app string) string { return k.classicLayout().classic(app).sessions() }
func (k keyspace) users(app string) string    { return k.classicLayout().classic(app).users() }
func (k keyspace) prefix(app string) string   { return k.classicLayout().classic(app).prefix }
func (k keyspace) wipe() string               { return k.classicWipe() }
