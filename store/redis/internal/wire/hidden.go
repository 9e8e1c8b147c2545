package wire

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// hiddenText stands for a password.
const hiddenText = "(hidden)"

// HidePasswords returns a URL, or a list, as Options.URL has it, without passwords. Of a
// text that is none it shows nothing: a password may be in any part of that.
func HidePasswords(text string) string {
	if _, err := parseAddress(text); err != nil {
		return hiddenText
	}
	urls := splitURLs(strings.TrimSpace(text))
	for i, text := range urls {
		p, err := cutURL(text)
		if err != nil {
			return hiddenText
		}
		urls[i] = p.hidden(strings.Contains(text, ":/"))
	}
	return strings.Join(urls, ",")
}

// hidden is a URL without passwords, or a list of hosts if there is no scheme.
func (p urlParts) hidden(scheme bool) string {
	var b strings.Builder
	if scheme {
		b.WriteString(p.scheme + "://")
	}
	if p.user != nil {
		user := hiddenText // a name alone may be meant as a password
		if _, both := p.user.Password(); both {
			user = url.User(p.user.Username()).String() + ":" + hiddenText
		}
		b.WriteString(user + "@")
	}
	b.WriteString(strings.Join(p.hosts, ",") + p.path)
	mark := "?"
	for _, name := range slices.Sorted(maps.Keys(p.query)) {
		for _, value := range p.query[name] {
			if strings.Contains(name, "password") {
				value = hiddenText
			}
			b.WriteString(mark + name + "=" + value)
			mark = "&"
		}
	}
	return b.String()
}
