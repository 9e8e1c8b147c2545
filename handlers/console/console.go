// Package console holds the page that shows a server and its sessions in a browser, and
// the files that the page needs. They hold no data: the page asks the server's routes for that.
package console

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"path"
	"strings"
)

// assets has the page, its style and scripts, and in uplot the plots' library (uPlot 1.6.32
// of npm, as it is there).
//
//go:embed assets
var assets embed.FS

// Policy is the Content-Security-Policy of the page: it runs and asks nothing but this
// server, runs no inline script, takes no inline style and makes no HTML of text.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// File is the page or one of its files, as it is served.
type File struct {
	Name        string // the last segment of its path
	ContentType string
	ETag        string // of the content, in quotes
	Body        string
}

// contentTypes are those of what is served, by the end of the name; the rest is not.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// PageName is the name of the page among the Files.
const PageName = "index.html"

// Files returns the page and all of its files.
func Files() []File {
	var files []File
	err := fs.WalkDir(assets, "assets", func(name string, entry fs.DirEntry, err error) error {
		contentType, served := contentTypes[path.Ext(name)]
		if err != nil || entry.IsDir() || !served {
			return err
		}
		body, err := assets.ReadFile(name)
		if err != nil {
			return err
		}
		files = append(files, newFile(path.Base(name), contentType, body))
		return nil
	})
	if err != nil {
		panic(err) // what is in the binary can be read
	}
	return files
}

func newFile(name, contentType string, body []byte) File {
	const hashed = 12 // bytes of the hash: versions of a file are few
	hash := sha256.Sum256(body)
	return File{
		Name:        strings.ToLower(name), // as paths are matched
		ContentType: contentType,
		ETag:        `"` + base64.RawURLEncoding.EncodeToString(hash[:hashed]) + `"`,
		Body:        string(body),
	}
}
