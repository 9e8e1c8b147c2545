//go:build unix

package listener

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"rest-sessions/internal/testcert"
)

// patience is more than a loaded machine takes to answer.
const patience = 10 * time.Second

// open opens and answers every request with 200, or with 503 once sick is set.
func open(t *testing.T, o Options, sick *atomic.Bool) *Listener {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	server := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		if sick != nil && sick.Load() {
			ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
		}
	}, ReadTimeout: patience, Logger: quiet{}}
	done := make(chan struct{})
	go func() {
		server.Serve(l)
		close(done)
	}()
	t.Cleanup(func() {
		server.Shutdown()
		<-done
	})
	return l
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}

// portOf makes o name the port that l was given.
func portOf(o Options, l *Listener) Options {
	o.Port = l.Addr().(*net.TCPAddr).Port
	return o
}

func TestCheck(t *testing.T) {
	cert, key := testcert.New(t).Issue("server", "localhost")
	for _, c := range []struct {
		o    Options
		want []string
	}{
		{Options{}, nil},
		{Options{Host: "::1", Port: 80}, nil},
		{Options{Host: "unix:/run/x", Cert: cert, Key: key}, nil},
		{Options{Host: "unix:x"}, []string{"absolute path"}},
		{Options{Host: "unix:", Cert: cert}, []string{"absolute path", "or neither"}},
		{Options{Key: key}, []string{"or neither"}},
		{Options{Cert: cert, Key: "/none"}, []string{"certificate: open /none"}},
		{Options{Cert: cert, Key: cert}, []string{"certificate: "}},
	} {
		wrong := c.o.Check()
		ok := len(wrong) == len(c.want)
		for i := range min(len(wrong), len(c.want)) {
			ok = ok && strings.Contains(wrong[i].Error(), c.want[i])
		}
		if !ok {
			t.Errorf("%+v: %v, not %q", c.o, wrong, c.want)
		}
	}
}

func TestTCP(t *testing.T) {
	var sick atomic.Bool
	o := Options{Host: "127.0.0.1"}
	l := open(t, o, &sick)
	o = portOf(o, l)
	if l.String() != "http://"+l.Addr().String() || l.TLS() || l.Reload() != nil {
		t.Errorf("it is %s, TLS %v", l, l.TLS())
	}
	if err := o.Healthy(patience); err != nil {
		t.Error(err)
	}
	sick.Store(true)
	if err := o.Healthy(patience); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a sick server: %v", err)
	}
	if _, err := Open(o); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a taken port: %v", err)
	}
}

func TestTLS(t *testing.T) {
	authority := testcert.New(t)
	o := Options{Host: "127.0.0.1"}
	o.Cert, o.Key = authority.Issue("server", "first.test")
	l := open(t, o, nil)
	o = portOf(o, l)
	if l.String() != "https://"+l.Addr().String() || !l.TLS() {
		t.Errorf("it is %s, TLS %v", l, l.TLS())
	}
	if err := o.Healthy(patience); err != nil {
		t.Error(err)
	}
	if err := (Options{Host: o.Host, Port: o.Port}).Healthy(patience); err == nil {
		t.Error("it answers without TLS")
	}
	dial := func(name string, most uint16) error {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: authority.Pool(), ServerName: name, MinVersion: tls.VersionTLS10, MaxVersion: most})
		if err == nil {
			conn.Close()
		}
		return err
	}
	var other x509.HostnameError
	if err := dial("first.test", tls.VersionTLS12); err != nil {
		t.Errorf("TLS 1.2: %v", err)
	}
	if err := dial("first.test", tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is taken")
	}
	if err := dial("second.test", 0); !errors.As(err, &other) {
		t.Errorf("before there is a second certificate: %v", err)
	}

	pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
	if err != nil || !l.CertificateEnd().Equal(pair.Leaf.NotAfter) {
		t.Errorf("the certificate ends at %v, %v, not at %v", l.CertificateEnd(), err, pair.Leaf.NotAfter)
	}

	// A pair of which one half is new is none.
	cert, key := authority.Issue("second", "second.test")
	if err := os.Rename(cert, o.Cert); err != nil {
		t.Fatal(err)
	}
	if err := l.Reload(); err == nil {
		t.Error("half a pair is taken")
	}
	if err := dial("first.test", 0); err != nil {
		t.Errorf("after a failed reload: %v", err)
	}
	if err := os.Rename(key, o.Key); err != nil {
		t.Fatal(err)
	}
	if err := l.Reload(); err != nil {
		t.Error(err)
	}
	if err := dial("second.test", 0); err != nil {
		t.Errorf("after a reload: %v", err)
	}
}

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	o := Options{Host: "unix:" + path, Port: 1}
	if err := o.Healthy(patience); err == nil {
		t.Error("without a server it is healthy")
	}
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if l.String() != "http+unix:"+path {
		t.Errorf("it is %s", l)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket: %v %v", info.Mode(), err)
	}
	l.Close()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Close left the socket: %v", err)
	}

	authority := testcert.New(t)
	for _, secure := range []bool{false, true} {
		if secure {
			o.Cert, o.Key = authority.Issue("server", "localhost")
		}
		o.Host = "unix:" + path + map[bool]string{true: "tls"}[secure]
		open(t, o, nil)
		if err := o.Healthy(patience); err != nil {
			t.Errorf("TLS %v: %v", secure, err)
		}
		_, err := Open(o)
		if err == nil || !strings.Contains(err.Error(), "another server already listens on "+path) {
			t.Errorf("a socket in use: %v", err)
		}
		if err := o.Healthy(patience); err != nil {
			t.Errorf("after another server tried its socket: %v", err)
		}
	}
}

// leave makes a socket as a killed server leaves it.
func leave(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

// TestDeadSocket starts many servers at once on what a killed one left: one gets
// it, and is not robbed by another that came to see it dead.
func TestDeadSocket(t *testing.T) {
	dir := t.TempDir()
	for round := range 20 {
		path := filepath.Join(dir, string(rune('a'+round)))
		leave(t, path)
		var mu sync.Mutex
		var won []*Listener
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				l, err := Open(Options{Host: "unix:" + path})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won = append(won, l)
				} else if !strings.Contains(err.Error(), "another server already listens on") {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d servers have the socket", len(won))
		}
		accepted := make(chan error, 1)
		go func() {
			// Before this one come those who asked whether a server is there.
			for {
				conn, err := won[0].Accept()
				if err != nil {
					accepted <- err
					return
				}
				b, _ := io.ReadAll(conn)
				conn.Close()
				if string(b) == "hello" {
					accepted <- nil
					return
				}
			}
		}()
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "hello")
		conn.Close()
		if err := <-accepted; err != nil {
			t.Fatal(err)
		}
		won[0].Close()
	}
}

func TestSocketInTheWay(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(dir, "dead")
	leave(t, dead)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dead, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file: "is not a socket", dir: "is not a socket", link: "is not a socket",
		filepath.Join(dir, "none", "s"):                "no such file",
		filepath.Join(dir, strings.Repeat("long", 40)): "may have some 100 bytes",
	} {
		if l, err := Open(Options{Host: "unix:" + path}); err == nil {
			l.Close()
			t.Errorf("%s was taken", path)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if text, err := os.ReadFile(file); string(text) != "precious" {
		t.Errorf("the file is %q: %v", text, err)
	}
}
