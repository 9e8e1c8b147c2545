package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"rest-sessions/loadtest/model"
)

// Pass is one go over all sessions, as fast as few connections allow.
type Pass struct {
	Tally
	Took time.Duration
}

// passWorkers is how many requests of a pass are in flight. That is no load test:
// it need not be fast, only short.
const passWorkers = 32

// prefill makes the sessions.
func (s *Server) prefill(ctx context.Context, c *Config) error {
	random := rand.New(rand.NewSource(c.Seed))
	if !s.Check {
		s.model.Invent(c.Sessions, c.users(), random)
		return nil
	}
	var requests []*model.Request
	for range c.Sessions {
		requests = append(requests, s.model.Create(model.UserID(random.Intn(c.users()))))
	}
	s.run(ctx, c, &s.Prefill, requests)
	if ctx.Err() == nil && s.model.Living() == 0 {
		return fmt.Errorf("no session could be made: %v%v", s.Prefill.Errors, s.Prefill.Examples)
	}
	c.Log("%-12s %d sessions made in %v, %d failed (%d wrong)", s.Name, s.model.Living(),
		s.Prefill.Took.Round(time.Millisecond), s.Prefill.Failed(), s.Prefill.Wrong)
	return nil
}

// audit reads every session once more: a write that was lost in a session that
// nobody reads again is found only so.
func (s *Server) audit(ctx context.Context, c *Config) {
	if !s.Check {
		return
	}
	s.run(ctx, c, &s.Audit, s.model.Audit())
	c.Log("%-12s %d sessions read once more, %d failed (%d wrong)", s.Name, s.Audit.Requests, s.Audit.Failed(), s.Audit.Wrong)
}

// clean removes the sessions. It is done when the run was interrupted, too.
func (s *Server) clean(c *Config) {
	if !s.Check || s.Prefill.Requests == 0 {
		return
	}
	// Mass removal may take longer than a request.
	client := newClient(1, time.Minute)
	defer client.CloseIdleConnections()
	status, body, err := send(context.Background(), client, http.MethodDelete, s.URL+"/"+s.App+"/killall", nil)
	var answer struct {
		Kill *int `json:"kill"`
	}
	least, most := s.model.Remaining()
	switch {
	case err != nil:
	case status != http.StatusOK:
		err = fmt.Errorf("killall: status %d", status)
	case json.Unmarshal(body, &answer) != nil || answer.Kill == nil:
		err = &model.Wrong{Kind: model.Kill, Reason: "killall: no count"}
	case *answer.Kill < least || *answer.Kill > most:
		err = &model.Wrong{Kind: model.Kill, Reason: fmt.Sprintf("killall: %d sessions, not %d to %d", *answer.Kill, least, most)}
	}
	s.Cleanup.count(err)
	if err != nil {
		c.Log("%-12s %v", s.Name, err)
	}
}

// run sends requests and judges the answers.
func (s *Server) run(ctx context.Context, c *Config, pass *Pass, requests []*model.Request) {
	client := newClient(passWorkers, c.Timeout)
	defer client.CloseIdleConnections()
	began := time.Now()
	work := make(chan *model.Request)
	var workers sync.WaitGroup
	for range passWorkers {
		workers.Go(func() {
			for r := range work {
				status, body, err := send(ctx, client, r.Method, s.URL+r.Path, r.Body)
				failure := ""
				if err != nil {
					status, failure = 0, err.Error()
				}
				pass.judge(s.model, r, status, body, failure)
			}
		})
	}
	for _, r := range requests {
		if ctx.Err() != nil {
			break
		}
		work <- r
	}
	close(work)
	workers.Wait()
	pass.Took = time.Since(began)
}

func send(ctx context.Context, client *http.Client, method, url string, body []byte) (int, []byte, error) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		request.Header = jsonType.Clone()
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return 0, nil, err
	}
	return response.StatusCode, answer, nil
}

// An error's text names the URL and ports, which would make each a class of its own.
var (
	quoted = regexp.MustCompile(`"[^"]*"`)
	ports  = regexp.MustCompile(`[0-9a-f.:\[\]]+:[0-9]+(->)?`)
)

func failureClass(text string) string {
	text = quoted.ReplaceAllString(text, "")
	text = ports.ReplaceAllString(text, "")
	return strings.Join(strings.Fields(strings.ReplaceAll(text, " :", ":")), " ")
}
