package rawio

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// childEnv makes the test binary the server of TestMayTakeLong.
const childEnv = "RAWIO_TEST_CHILD"

// computing is how long the child computes for a request at most: until it has served another.
// Without sysmon it looks for nothing else meanwhile.
const computing = 10 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	var served atomic.Int64
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			raw, p := New(conn), make([]byte, 1)
			for {
				if _, err := raw.Read(p); err != nil {
					return
				}
				if p[0] == 'L' {
					MayTakeLong()
					before := served.Load()
					for begin := time.Now(); served.Load() == before; {
						if time.Since(begin) > computing {
							p[0] = 'T' // for too long
							break
						}
					}
				}
				served.Add(1)
				raw.Write(p)
			}
		}()
	}
}

// TestMayTakeLong has a server compute for one client until another one is served. A process of its own, since what else this one does would wake sysmon.
func TestMayTakeLong(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("one processor computes")
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEnv+"=1")
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		child.Process.Kill()
		child.Wait()
	}()
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]net.Conn
	ask := func(i int, what string) {
		p := []byte(what)
		conns[i].Write(p)
		if _, err := conns[i].Read(p); err != nil || string(p) != what {
			t.Errorf("%s is answered %s, %v", what, p, err)
		}
	}
	for i := range conns {
		if conns[i], err = net.Dial("tcp", addr[:len(addr)-1]); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
		ask(i, "S")
	}
	time.Sleep(100 * time.Millisecond) // until its sysmon sleeps
	done := make(chan struct{})
	go func() {
		defer close(done)
		ask(0, "L")
	}()
	for computes := true; computes; { // the first may come before it computes
		time.Sleep(10 * time.Millisecond)
		ask(1, "S")
		select {
		case <-done:
			computes = false
		default:
		}
	}
}
