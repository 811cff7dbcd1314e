package examples

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pandapush/pandapush"
)

const (
	// pageApp is the application that the pages name.
	pageApp = "devapp"
	// tokenLifetime is so short that who looks on sees tokens being renewed.
	tokenLifetime = 2 * time.Minute
	// maxName bounds a user's name, in characters.
	maxName = 40
)

//go:embed *.html *.css
var pages embed.FS

// Config is what the pages need.
type Config struct {
	App  pandapush.AppID // whose channels they use
	Key  pandapush.KeyID // of App; it signs their tokens
	Keys pandapush.Keys
}

// Handler serves the pages, and the tokens that they ask for, at whatever path it is mounted. It is safe for concurrent use.
func Handler(cfg Config) http.Handler {
	files := cfg.files()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		name := path.Base(r.URL.Path)
		if strings.HasSuffix(r.URL.Path, "/") {
			name = "index.html"
		}
		content, ok := files[name]
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		case name == "token":
			cfg.serveToken(w, r)
		case ok:
			h.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
			_, _ = w.Write(content) // whoever asked may be gone
		default:
			http.NotFound(w, r)
		}
	})
}

// files returns the pages by name, with the application that is really there.
func (cfg Config) files() map[string][]byte {
	files := make(map[string][]byte)
	names, err := fs.Glob(pages, "*")
	for _, name := range names {
		content, readErr := pages.ReadFile(name)
		err = errors.Join(err, readErr)
		files[name] = bytes.ReplaceAll(content, []byte("/"+pageApp+"/"), []byte("/"+string(cfg.App)+"/"))
	}
	if err != nil {
		panic("examples: " + err.Error()) // embedded: they can't be missing
	}
	return files
}

// serveToken answers with a token for ?channel=, which says on a presence channel that its bearer is ?name=. An application's
// back end does the same, but knows by its own login who asks, and what they may.
func (cfg Config) serveToken(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	claims, err := cfg.claims(query.Get("channel"), strings.TrimSpace(query.Get("name")))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	claims.Issued = time.Now()
	claims.Expires = claims.Issued.Add(tokenLifetime)
	key, ok := cfg.Keys.Key(cfg.App, cfg.Key)
	if !ok || key.Usable(claims.Issued) != nil {
		http.Error(w, "The development application's key is no longer good", http.StatusServiceUnavailable)
		return
	}
	token, err := pandapush.MintToken(key, claims)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(token)) // whoever asked may be gone
}

var (
	errChannel = errors.New("There is no token for this channel")     //nolint:staticcheck // a sentence for a person
	errName    = fmt.Errorf("A name has 1 to %d characters", maxName) //nolint:staticcheck // a sentence for a person
)

// claims returns what the pages need to do on a channel. In a room, name is who it is.
func (cfg Config) claims(channel, name string) (pandapush.TokenClaims, error) {
	claims := pandapush.TokenClaims{Channel: channel}
	app := "/" + string(cfg.App)
	switch channel {
	case app + "/presence/chat":
		if !validName(name) {
			return claims, errName
		}
		presence, err := json.Marshal(map[string]string{"id": name, "name": name})
		if err != nil {
			panic(err) // strings always encode
		}
		claims.Sub, claims.Pub, claims.Presence = true, true, presence
	case app + "/public/counter":
		claims.Pub = true
	case app + "/meta/statistics":
		claims.Sub = true
	default:
		return claims, errChannel
	}
	return claims, nil
}

func validName(name string) bool {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	return name != "" && utf8.ValidString(name) && utf8.RuneCountInString(name) <= maxName && !strings.ContainsFunc(name, unprintable)
}
