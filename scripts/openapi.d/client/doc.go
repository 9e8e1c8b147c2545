// Package client tests that a client, which oapi-codegen makes of handlers/openapi.json,
// can use each route of the server. It is a module of its own, so that the server's does
// not need what such clients do; scripts/openapi generates the package sessions and runs it.
package client
