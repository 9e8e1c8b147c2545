// A shop whose visitors have sessions in rest-sessions.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"regexp"
	"time"

	"rest-sessions/examples/go/sessions"
)

// A real site keeps hashes of passwords.
var passwords = map[string]string{"anna": "secret", "zoë/50%": "secret"}

func main() {
	client := sessions.NewClient(env("SESSIONS_URL", "http://127.0.0.1:3000"), "shop", os.Getenv("SESSIONS_KEY"))
	manager := sessions.NewManager(client)
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", page(home))
	mux.Handle("POST /cart", page(addToCart))
	mux.Handle("POST /login", page(login))
	mux.Handle("GET /devices", page(devices))
	mux.Handle("POST /devices/end", page(endDevice))
	mux.Handle("POST /logout", page(logout))
	mux.Handle("POST /logout/everywhere", page(logoutEverywhere))
	server := &http.Server{Addr: "127.0.0.1:" + env("PORT", "8000"), Handler: manager.Handler(mux), ReadTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// page is a handler whose error, one of package sessions, is answered by it.
type page func(w http.ResponseWriter, r *http.Request, v *sessions.Visitor) error

func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 10_000)
	if err := p(w, r, sessions.From(r.Context())); err != nil {
		sessions.Fail(w, err)
	}
}

func home(w http.ResponseWriter, r *http.Request, v *sessions.Visitor) error {
	answer := struct {
		User *string  `json:"user"`
		Cart []string `json:"cart"`
	}{Cart: []string{}}
	if user := v.User(); user != "" {
		answer.User = &user
	}
	if err := v.Value("cart", &answer.Cart); err != nil {
		return err
	}
	return writeJSON(w, answer)
}

func addToCart(w http.ResponseWriter, r *http.Request, v *sessions.Visitor) error {
	item := r.PostFormValue("item")
	if item == "" {
		http.Error(w, "no item", http.StatusBadRequest)
		return nil
	}
	err := v.Update(r.Context(), func() (map[string]any, error) {
		cart := []string{}
		err := v.Value("cart", &cart)
		return map[string]any{"cart": append(cart, item)}, err
	})
	return seeOther(w, r, "/", err)
}

func login(w http.ResponseWriter, r *http.Request, v *sessions.Visitor) error {
	user := r.PostFormValue("user")
	if password, ok := passwords[user]; !ok || r.PostFormValue("password") != password {
		http.Error(w, "wrong user or password", http.StatusForbidden)
		return nil
	}
	return seeOther(w, r, "/", v.Login(r.Context(), user))
}

func devices(w http.ResponseWriter, r *http.Request, v *sessions.Visitor) error {
	if v.User() == "" {
		http.Error(w, "log in first", http.StatusUnauthorized)
		return nil
	}
	list, err := v.Devices(r.Context())
	if err != nil {
		return err
	}
	type device struct {
		Handle  string `json:"handle"`
		IP      string `json:"ip"`
		Created int64  `json:"created"`
		Expires int64  `json:"expires"`
		Idle    int64  `json:"idle"`
		Current bool   `json:"current"`
	}
	answer := make([]device, 0, len(list))
	for _, s := range list {
		answer = append(answer, device{s.Handle, s.IP, s.Created, s.Expires, s.Idle, s.Handle == v.Handle()})
	}
	return writeJSON(w, answer)
}

var handleForm = regexp.MustCompile(`^[0-9A-Za-z]{22}$`)

func endDevice(w http.ResponseWriter, r *http.Request, v *sessions.Visitor) error {
	handle := r.PostFormValue("handle")
	switch {
	case v.User() == "":
		http.Error(w, "log in first", http.StatusUnauthorized)
		return nil
	case !handleForm.MatchString(handle):
		http.Error(w, "no handle", http.StatusBadRequest)
		return nil
	}
	return seeOther(w, r, "/devices", v.EndDevice(r.Context(), handle))
}

func logout(w http.ResponseWriter, r *http.Request, v *sessions.Visitor) error {
	return seeOther(w, r, "/", v.Logout(r.Context()))
}

func logoutEverywhere(w http.ResponseWriter, r *http.Request, v *sessions.Visitor) error {
	return seeOther(w, r, "/", v.LogoutEverywhere(r.Context()))
}

func seeOther(w http.ResponseWriter, r *http.Request, url string, err error) error {
	if err == nil {
		http.Redirect(w, r, url, http.StatusSeeOther)
	}
	return err
}

func writeJSON(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(value)
}
