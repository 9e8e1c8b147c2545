package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"rest-sessions/store"
)

// methods are those that Faulty can let fail: all of store.Store but Close.
var methods = []string{
	"Create", "Get", "GetWith", "Peek", "Touch", "Set", "SetIf", "Activity", "SessionsOfApp", "SessionsOfID", "PageOfApp", "PageOfID",
	"Kill", "KillID", "KillHandle", "KillApp", "Rotate", "Move", "Wipe", "Ping",
}

// Faulty is a store whose methods fail on demand, for the tests of those who use a store.
// A call that fails does not reach the store behind it. It is safe for concurrent use.
type Faulty struct {
	store store.Store

	mu     sync.Mutex
	faults map[string]fault
}

var _ store.Store = (*Faulty)(nil)

type fault struct {
	err   error
	chunk int // of a list, from 1
}

// NewFaulty returns a store that does what s does until it is told to fail.
func NewFaulty(s store.Store) *Faulty { return &Faulty{store: s, faults: map[string]fault{}} }

// Fail lets a method answer err from now on, or work again if err is nil. A list
// fails at its first chunk. It panics if there is no such method: a misspelt name
// would make a test pass that tests nothing.
func (f *Faulty) Fail(method string, err error) { f.set(method, fault{err, 1}) }

// FailAll is Fail for every method.
func (f *Faulty) FailAll(err error) {
	for _, method := range methods {
		f.Fail(method, err)
	}
}

// FailNext lets the lists and pages of a method return err in place of their nth chunk
// (from 1) and of those after it, lists under way included. A list may have n-1 chunks.
func (f *Faulty) FailNext(method string, n int, err error) {
	if !strings.Contains(method, "Of") || n < 1 {
		panic(fmt.Sprintf("storetest: %s has no chunk %d", method, n))
	}
	f.set(method, fault{err, n})
}

func (f *Faulty) set(method string, what fault) {
	if !slices.Contains(methods, method) {
		panic("storetest: store.Store has no method " + method + " that can fail")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[method] = what
}

func (f *Faulty) fault(method string) fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.faults[method]
}

// Create implements store.Store.
func (f *Faulty) Create(ctx context.Context, app, token string, n store.New) (store.Details, error) {
	if err := f.fault("Create").err; err != nil {
		return store.Details{}, err
	}
	return f.store.Create(ctx, app, token, n)
}

// Get implements store.Store.
func (f *Faulty) Get(ctx context.Context, app, token string) (store.Session, error) {
	if err := f.fault("Get").err; err != nil {
		return store.Session{}, err
	}
	return f.store.Get(ctx, app, token)
}

// GetWith implements store.Store.
func (f *Faulty) GetWith(ctx context.Context, app, token string) (store.Session, error) {
	if err := f.fault("GetWith").err; err != nil {
		return store.Session{}, err
	}
	return f.store.GetWith(ctx, app, token)
}

// Peek implements store.Store.
func (f *Faulty) Peek(ctx context.Context, app, token string) (store.Session, error) {
	if err := f.fault("Peek").err; err != nil {
		return store.Session{}, err
	}
	return f.store.Peek(ctx, app, token)
}

// Touch implements store.Store.
func (f *Faulty) Touch(ctx context.Context, app, token string, ttl, maxAge int64) (store.Session, error) {
	if err := f.fault("Touch").err; err != nil {
		return store.Session{}, err
	}
	return f.store.Touch(ctx, app, token, ttl, maxAge)
}

// Set implements store.Store.
func (f *Faulty) Set(ctx context.Context, app, token string, d store.Data) (store.Session, error) {
	if err := f.fault("Set").err; err != nil {
		return store.Session{}, err
	}
	return f.store.Set(ctx, app, token, d)
}

// SetIf implements store.Store.
func (f *Faulty) SetIf(ctx context.Context, app, token string, w int64, d store.Data) (store.Session, error) {
	if err := f.fault("SetIf").err; err != nil {
		return store.Session{}, err
	}
	return f.store.SetIf(ctx, app, token, w, d)
}

// Activity implements store.Store.
func (f *Faulty) Activity(ctx context.Context, app string, dt int64) (int64, error) {
	if err := f.fault("Activity").err; err != nil {
		return 0, err
	}
	return f.store.Activity(ctx, app, dt)
}

// SessionsOfApp implements store.Store.
func (f *Faulty) SessionsOfApp(ctx context.Context, app string, dt int64) store.List {
	return &faultyList{f, "SessionsOfApp", f.store.SessionsOfApp(ctx, app, dt), 0}
}

// SessionsOfID implements store.Store.
func (f *Faulty) SessionsOfID(ctx context.Context, app, id string) store.List {
	return &faultyList{f, "SessionsOfID", f.store.SessionsOfID(ctx, app, id), 0}
}

// PageOfApp implements store.Store.
func (f *Faulty) PageOfApp(ctx context.Context, app string, dt int64, limit int, cursor string) store.Page {
	page := f.store.PageOfApp(ctx, app, dt, limit, cursor)
	return &faultyPage{faultyList{f, "PageOfApp", page, 0}, page}
}

// PageOfID implements store.Store.
func (f *Faulty) PageOfID(ctx context.Context, app, id string, limit int, cursor string) store.Page {
	page := f.store.PageOfID(ctx, app, id, limit, cursor)
	return &faultyPage{faultyList{f, "PageOfID", page, 0}, page}
}

type faultyPage struct {
	faultyList
	page store.Page
}

func (p *faultyPage) Cursor() string { return p.page.Cursor() }

type faultyList struct {
	f      *Faulty
	method string
	list   store.List
	chunk  int // how many were asked for
}

func (p *faultyList) Next(ctx context.Context) ([]store.Session, error) {
	p.chunk++
	if fault := p.f.fault(p.method); fault.err != nil && p.chunk >= fault.chunk {
		return nil, fault.err
	}
	return p.list.Next(ctx)
}

// Kill implements store.Store.
func (f *Faulty) Kill(ctx context.Context, app, token string) (bool, error) {
	if err := f.fault("Kill").err; err != nil {
		return false, err
	}
	return f.store.Kill(ctx, app, token)
}

// KillID implements store.Store.
func (f *Faulty) KillID(ctx context.Context, app, id, except string) (int64, error) {
	if err := f.fault("KillID").err; err != nil {
		return 0, err
	}
	return f.store.KillID(ctx, app, id, except)
}

// Rotate implements store.Store.
func (f *Faulty) Rotate(ctx context.Context, app, token, fresh string, grace int64) (string, store.Details, error) {
	if err := f.fault("Rotate").err; err != nil {
		return "", store.Details{}, err
	}
	return f.store.Rotate(ctx, app, token, fresh, grace)
}

// Move implements store.Store.
func (f *Faulty) Move(ctx context.Context, app, token, fresh string, m store.Move) (store.Details, error) {
	if err := f.fault("Move").err; err != nil {
		return store.Details{}, err
	}
	return f.store.Move(ctx, app, token, fresh, m)
}

// KillHandle implements store.Store.
func (f *Faulty) KillHandle(ctx context.Context, app, id, handle string) (bool, error) {
	if err := f.fault("KillHandle").err; err != nil {
		return false, err
	}
	return f.store.KillHandle(ctx, app, id, handle)
}

// KillApp implements store.Store.
func (f *Faulty) KillApp(ctx context.Context, app string) (int64, error) {
	if err := f.fault("KillApp").err; err != nil {
		return 0, err
	}
	return f.store.KillApp(ctx, app)
}

// Wipe implements store.Store.
func (f *Faulty) Wipe(ctx context.Context) (int64, error) {
	if err := f.fault("Wipe").err; err != nil {
		return 0, err
	}
	return f.store.Wipe(ctx)
}

// Ping implements store.Store.
func (f *Faulty) Ping(ctx context.Context) error {
	if err := f.fault("Ping").err; err != nil {
		return err
	}
	return f.store.Ping(ctx)
}

// Close implements store.Store. It never fails.
func (f *Faulty) Close() { f.store.Close() }
