package main

import "rest-sessions/store/redis/redistest"

func main() { _, _ = redistest.Run() }
