package model

import (
	"encoding/json"
	"fmt"
)

// check says why a is not a state that the session can be in, "" if it can.
func (v *view) check(a answer) string {
	s := v.session
	switch {
	case a.ID == nil || a.R == nil || a.W == nil || a.TTL == nil || a.Idle == nil || a.IP == nil:
		return "not a whole session"
	case v.killed:
		return "a session that was acknowledged to be gone before the request"
	case *a.ID != s.user:
		return fmt.Sprintf("a session of %q, not of %q", *a.ID, s.user)
	case *a.TTL != ttl:
		return fmt.Sprintf("ttl is not %d", ttl)
	case *a.IP != ip:
		return "ip is not " + ip
	case *a.Idle < 0 || *a.Idle > ttl:
		return "idle is out of range"
	case *a.R < 1+v.readsDone && !(v.late && *a.R > 0):
		return fmt.Sprintf("r is under %d: reads were lost", 1+v.readsDone)
	case *a.W < 1+v.writesDone:
		return fmt.Sprintf("w is under %d: writes were lost", 1+v.writesDone)
	case *a.R > 1+s.reads-v.own:
		return fmt.Sprintf("r is over %d: a read was counted twice", 1+s.reads-v.own)
	case *a.W > 1+s.writes:
		return fmt.Sprintf("w is over %d: a write was counted twice", 1+s.writes)
	}
	return v.checkData(a)
}

func (v *view) checkData(a answer) string {
	var data map[string]any
	if err := json.Unmarshal(a.D, &data); err != nil {
		return "d is not a JSON object"
	}
	if serial, _ := data["n"].(float64); int(serial) != v.serial {
		return fmt.Sprintf("the data of session %v, not of %d", data["n"], v.serial)
	}
	if len(data) != keys+1 {
		return fmt.Sprintf("%d keys of data, not %d", len(data), keys+1)
	}
	for key := range keys {
		got := textOf(key, data[keyNames[key]])
		version := versionOf(got)
		if version < 0 || got != text(v.serial, key, version) {
			return fmt.Sprintf("%s is not a value that was sent", keyNames[key])
		}
		if v.values[key].has(version) {
			continue
		}
		// Or one that was sent after this request and overtook it.
		if version > v.last && version <= v.session.writes && version%keys == key {
			continue
		}
		return fmt.Sprintf("%s is version %d, must be %v: a write was lost", keyNames[key], version, v.values[key])
	}
	return ""
}

// textIn is the text in the value that a's data has of a key.
func textIn(a answer, key int) string {
	var data map[string]any
	json.Unmarshal(a.D, &data)
	return textOf(key, data[keyNames[key]])
}

func (m *Model) checkList(r *Request, body []byte) string {
	var list struct {
		Sessions *[]answer `json:"sessions"`
	}
	if reason := decode(body, &list); reason != "" {
		return reason
	}
	if list.Sessions == nil {
		return "no list of sessions"
	}
	known := make(map[int]*view, len(r.views))
	for _, v := range r.views {
		known[v.serial] = v
	}
	// Sessions that were begun since then may be listed too.
	for _, s := range m.users[r.user] {
		if known[s.serial] == nil {
			known[s.serial] = &view{session: s}
			for key := range keys {
				known[s.serial].values[key] = s.values[key]
			}
		}
	}
	listed := make(map[int]bool, len(*list.Sessions))
	for _, a := range *list.Sessions {
		var data struct {
			N int `json:"n"`
		}
		if err := json.Unmarshal(a.D, &data); err != nil {
			return "a session without the data it was created with"
		}
		v := known[data.N]
		if v == nil {
			return fmt.Sprintf("session %d is not one of %q, or was killed", data.N, r.user)
		}
		if listed[data.N] {
			return fmt.Sprintf("session %d is listed twice", data.N)
		}
		listed[data.N] = true
		if reason := v.check(a); reason != "" {
			return fmt.Sprintf("session %d: %s", data.N, reason)
		}
	}
	for _, v := range r.views {
		if v.created && !v.session.killing && !listed[v.serial] && !m.evictable(v) {
			return fmt.Sprintf("session %d is not listed", v.serial)
		}
	}
	return ""
}
