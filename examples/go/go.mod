module rest-sessions/examples/go

go 1.22
