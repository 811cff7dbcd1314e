package api

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pandapush/pandapush"
)

// params are the parameters of a request's query. The first of them that is wrong is remembered.
type params struct {
	values url.Values
	err    error
}

// readParams reads r's query. Parameters that nobody asks for are passed over.
func readParams(r *http.Request) *params {
	if r.URL.RawQuery == "" {
		return &params{}
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &params{err: badParam(malformed(r.URL.RawQuery), "The query is not URL-encoded as it should be")}
	}
	p := &params{values: values}
	p.text("token") // which credentialOf has read
	return p
}

// malformed returns the name of the parameter that makes a query one that can't be read; "" if it has none.
func malformed(query string) string {
	for pair := range strings.SplitSeq(query, "&") {
		if _, err := url.ParseQuery(pair); err == nil {
			continue
		}
		name, _, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); err == nil && utf8.ValidString(name) && !strings.Contains(name, ";") {
			return name
		}
		return ""
	}
	return ""
}

// fail remembers what is wrong with a parameter.
func (p *params) fail(name, message string) {
	if p.err == nil {
		p.err = badParam(name, message)
	}
}

// text returns a parameter that may be given once; "" if it is not.
func (p *params) text(name string) string {
	if len(p.values[name]) > 1 {
		p.fail(name, "Given more than once")
		return ""
	}
	return p.values.Get(name)
}

// number returns a whole number between least and most; initial if it is not given.
func (p *params) number(name string, least, most, initial int) int {
	text := p.text(name)
	if text == "" && p.values[name] == nil {
		return initial
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		p.fail(name, fmt.Sprintf("Takes a whole number between %d and %d", least, most))
	}
	return n
}

// forbid refuses parameters that do not go with the others.
func (p *params) forbid(why string, names ...string) {
	for _, name := range names {
		if p.values[name] != nil {
			p.fail(name, why)
		}
	}
}

// parseTTL reads how long a message is to be delivered: seconds ("30") or a time with its unit ("90s"), no longer than
// messages are kept.
func parseTTL(text string, most time.Duration) (time.Duration, error) {
	ttl, err := time.ParseDuration(text)
	if n, e := strconv.ParseFloat(text, 64); e == nil {
		ttl, err = time.Duration(min(n, most.Seconds()+1)*float64(time.Second)), nil
	}
	if err != nil || ttl < time.Second || ttl > most {
		return 0, fmt.Errorf(`takes a time from 1s to the %v for which messages are kept, like "30s", or a number of seconds`, most)
	}
	return ttl, nil
}

// maxClientID bounds a client id in exclude; those of this server are shorter.
const maxClientID = 64

// validClientID reports whether id could be a Bayeux client's.
func validClientID(id string) bool {
	return len(id) <= maxClientID && strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyz") == "" && id != ""
}

const badClientID = "Takes the client id of a session"

// headerOnce returns a header that may be given once; "" if it is not.
func headerOnce(h http.Header, name string) (string, error) {
	switch values := h.Values(name); len(values) {
	case 0:
		return "", nil
	case 1:
		if text := strings.TrimSpace(values[0]); text != "" {
			return text, nil
		}
		return "", badParam(name, "Empty")
	}
	return "", badParam(name, "Given more than once")
}

// unquote takes the quotes off a header's value, if it has some: clients that follow its specification send them, and a
// person at a shell does not.
func unquote(text string) string {
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		return text[1 : len(text)-1]
	}
	return text
}

// maxOnceKey bounds an idempotency key, in bytes.
const maxOnceKey = 255

// onceKey returns what Redis is to remember the request's Idempotency-Key as, "" if it has none. Keys of different
// credentials have nothing to do with each other.
func onceKey(r *http.Request, grant pandapush.Grant) (string, error) {
	text, err := headerOnce(r.Header, headerOnceKey)
	if text == "" || err != nil {
		return "", err
	}
	key := unquote(text)
	if key == "" || len(key) > maxOnceKey || strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' }) {
		return "", badParam(headerOnceKey, fmt.Sprintf("Takes 1 to %d printable ASCII characters", maxOnceKey))
	}
	return fingerprint("key", string(grant.Key), key), nil
}

// fingerprint returns a short text that no other list of parts has.
func fingerprint(parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:16])
}

// ifMatch returns the cursor of the request's If-Match, zero if it has none.
func ifMatch(r *http.Request, app pandapush.AppID) (pandapush.Cursor, error) {
	text, err := headerOnce(r.Header, headerIfMatch)
	if text == "" || err != nil {
		return pandapush.Cursor{}, err
	}
	cursor, err := pandapush.ParseCursor(app, unquote(text))
	if err != nil {
		return pandapush.Cursor{}, badParam(headerIfMatch, "Takes one cursor of the application")
	}
	return cursor, nil
}
