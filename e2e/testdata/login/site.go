// A site with the functions of README: /login?user=, /me, /theme, /logout.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

func main() {
	handle := func(path string, page func(http.ResponseWriter, *http.Request) error) {
		http.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if err := page(w, r); err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprint(w, err)
			}
		})
	}
	handle("/login", func(w http.ResponseWriter, r *http.Request) error {
		return login(w, r, r.FormValue("user"))
	})
	handle("/me", func(w http.ResponseWriter, r *http.Request) error {
		s, err := session(r)
		if err == nil && s == nil {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, "none")
		} else if err == nil {
			fmt.Fprint(w, s["id"])
		}
		return err
	})
	handle("/theme", func(w http.ResponseWriter, r *http.Request) error {
		data, err := json.Marshal(map[string]string{"theme": r.FormValue("theme")})
		if err != nil {
			return err
		}
		s, err := sessions(r, "POST", "set/-", string(data))
		if err == nil {
			fmt.Fprint(w, s["d"].(map[string]any)["theme"])
		}
		return err
	})
	handle("/logout", func(w http.ResponseWriter, r *http.Request) error {
		_, err := sessions(r, "DELETE", "kill/-", "")
		if err == nil {
			http.SetCookie(w, &http.Cookie{Name: "sid", Path: "/", Secure: true, MaxAge: -1})
		}
		return err
	})
	if err := http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil); err != nil {
		panic(err)
	}
}
