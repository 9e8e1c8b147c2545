// Command hello is the yardstick: fasthttp that answers the same session-sized
// JSON to everything. What it takes, the network, the HTTP server and the load
// generator take; what a server of sessions takes beyond that is its own.
//
//	hello [-addr 127.0.0.1:0]
package main

import (
	"flag"
	"log"
	"net"

	"github.com/valyala/fasthttp"
)

// body is as long as a session of the load.
const body = `{"id":"user4711","r":12,"w":3,"ttl":86400,"idle":0,"ip":"192.0.2.17","d":{"cart":"v0 of \"cart\" \\ 815 – größer",` +
	`"n":815,"page":"v0 of \"page\" \\ 815 – größer","seen":"v0 of \"seen\" \\ 815 – größer","theme":"v0 of \"theme\" \\ 815 – größer"}}`

func handle(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType("application/json; charset=utf-8")
	ctx.SetBodyString(body)
}

func main() {
	log.SetFlags(0)
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on; port 0 is any free one")
	flag.Parse()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal("hello: ", err)
	}
	log.Printf("hello listens on http://%s, the same answer to everything", listener.Addr())
	server := &fasthttp.Server{Handler: handle, NoDefaultServerHeader: true}
	log.Fatal("hello: ", server.Serve(listener))
}
