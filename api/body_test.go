package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPublishBodies(t *testing.T) {
	t.Parallel()
	const plainJSON = "application/json"
	for _, row := range []struct {
		name, contentType, body string
		status                  int
		want                    string // the payload for 200, else the message
	}{
		{"object", plainJSON, `{"a":1}`, 200, `{"a":1}`},
		{"white space stays", plainJSON, "\n{ \"a\" :1}\r\n", 200, "\n{ \"a\" :1}\r\n"},
		{"JSON of another name", "application/vnd.api+json", `{"a":1}`, 200, `{"a":1}`},
		{"charset", `application/json; charset="UTF-8"`, `{"a":1}`, 200, `{"a":1}`},
		{"no type", "", `{"a":1}`, 200, `{"a":1}`},
		{"text that is an object", "text/plain", ` {"a":1}`, 200, ` {"a":1}`},
		{"form that is an object", typeForm, `{"a":"b=c&d"}`, 200, `{"a":"b=c&d"}`},
		{"form", typeForm, `foo=bar&text=h%C3%A4llo+du`, 200, `{"foo":"bar","text":"hällo du"}`},
		{"empty JSON", plainJSON, "", 200, `{}`},
		{"empty without a type", "", "", 200, `{}`},
		{"empty form", typeForm, "", 200, `{}`},

		{"README's curl", plainJSON, `{text:"hello"}`, 400, "Invalid JSON at byte 2: invalid character 't' looking for beginning of object key string"},
		{"cut short", plainJSON, `{"a":`, 400, "Invalid JSON at byte 5: unexpected end of JSON input"},
		{"more after the object", plainJSON, `{} {}`, 400, "Invalid JSON at byte 4: invalid character '{' after top-level value"},
		{"only white space", plainJSON, "  ", 400, "Invalid JSON at byte 2: unexpected end of JSON input"},
		{"byte order mark", plainJSON, "\ufeff{}", 400, "Invalid JSON at byte 1: invalid character 'ï' looking for beginning of value"},
		{"form that is a broken object", typeForm, `{"a"`, 400, "Invalid JSON at byte 4: unexpected end of JSON input"},
		{"array", plainJSON, `[1]`, 400, "Payload must be an object"},
		{"array in a form", typeForm, `[1]`, 400, "Payload must be an object"},
		{"string", plainJSON, `"{}"`, 400, "Payload must be an object"},
		{"null", plainJSON, `null`, 400, "Payload must be an object"},
		{"not UTF-8", plainJSON, "{\"a\":\"\xff\"}", 400, "Invalid UTF-8 at byte 7"},
		{"nested without end", plainJSON, strings.Repeat(`{"a":`, 20000), 400, "Invalid JSON at byte 50001: invalid character '{' exceeded max depth"},

		{"another charset", "application/json; charset=latin1", `{}`, 415, `Unsupported charset \"latin1\": send UTF-8`},
		{"another charset in a form", typeForm + "; charset=utf-16", `a=1`, 415, `Unsupported charset \"utf-16\": send UTF-8`},
		{"malformed type", "application/json/x", `{}`, 415, "Malformed Content-Type"},
		{"text", "text/plain", "hello", 415, "Unsupported Content-Type: send a JSON object or a form"},
		{"empty text", "text/plain", "", 415, "Unsupported Content-Type: send a JSON object or a form"},
		{"multipart", "multipart/form-data; boundary=x", "--x\r\n", 415, "Unsupported Content-Type: send a JSON object or a form"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, Config{})
			w := f.publish(row.contentType, row.body)
			if row.status == http.StatusOK {
				wantAnswer(t, w, http.StatusOK, "OK")
				if got := f.payloads(); len(got) != 1 || got[0] != row.want {
					t.Errorf("appended %q, want %q", got, row.want)
				}
				return
			}
			wantAnswer(t, w, row.status, refusal(row.want))
			if len(f.stream.messages) != 0 {
				t.Errorf("appended %q", f.payloads())
			}
		})
	}
}

func TestPublishSizes(t *testing.T) {
	t.Parallel()
	object := func(size int) string { return `{"a":"` + strings.Repeat("x", size-8) + `"}` }
	for _, row := range []struct {
		maxBody int64
		body    string
		status  int
	}{
		{0, object(DefaultMaxBody), http.StatusOK},
		{0, object(DefaultMaxBody + 1), http.StatusRequestEntityTooLarge},
		{16, object(16), http.StatusOK},
		{16, object(17), http.StatusRequestEntityTooLarge},
	} {
		f := newFixture(t, Config{MaxBody: row.maxBody})
		sized := httptest.NewRequest(http.MethodPost, "/channel/app1/private/a", strings.NewReader(row.body))
		chunked := httptest.NewRequest(http.MethodPost, "/channel/app1/private/a", unsized{strings.NewReader(row.body)})
		for _, r := range []*http.Request{sized, chunked} {
			r.Header.Set("Authorization", basic(key))
			w := httptest.NewRecorder()
			f.echo.ServeHTTP(w, r)
			if w.Code != row.status {
				t.Errorf("%d bytes, size %d given: %d, want %d", len(row.body), r.ContentLength, w.Code, row.status)
			}
		}
	}
	empty := httptest.NewRequest(http.MethodPost, "/channel/app1/private/a", unsized{strings.NewReader(strings.Repeat(gzipped(t, ""), 10))})
	empty.Header.Set("Authorization", basic(key))
	empty.Header.Set("Content-Encoding", "gzip")
	f := newFixture(t, Config{MaxBody: 16})
	w := httptest.NewRecorder()
	if f.echo.ServeHTTP(w, empty); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("compressed parts with nothing in them: %d", w.Code)
	}
	// These 5 bytes of a form are 24 of JSON.
	if w := f.publish(typeForm, "a=<<<"); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("form that is too large as JSON: %d", w.Code)
	}
}

func TestPublishBodyCutShort(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	r := httptest.NewRequest(http.MethodPost, "/channel/app1/private/a", strings.NewReader(`{}`))
	r.ContentLength = 3
	r.Header.Set("Authorization", basic(key))
	w := httptest.NewRecorder()
	f.echo.ServeHTTP(w, r)
	wantAnswer(t, w, http.StatusBadRequest, refusal("The body could not be read to its end"))
}

// gzipped returns text compressed.
func gzipped(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPublishCompressed(t *testing.T) {
	t.Parallel()
	const small = 1000
	bomb := gzipped(t, `{"a":"`+strings.Repeat("x", 10<<20)+`"}`)
	whole := gzipped(t, `{"a":1}`)
	for _, row := range []struct {
		name, encoding, body string
		status               int
		want                 string // the payload for 200, else the message
	}{
		{"gzip", "gzip", whole, 200, `{"a":1}`},
		{"its old name", "X-Gzip", whole, 200, `{"a":1}`},
		{"none", "Identity", `{"a":2}`, 200, `{"a":2}`},
		{"in parts", "gzip", gzipped(t, `{"a"`) + gzipped(t, "") + gzipped(t, `:1}`), 200, `{"a":1}`},
		{"more parts than make an object", "gzip", whole + whole, 400, "Invalid JSON at byte 8: invalid character '{' after top-level value"},
		{"something else behind it", "gzip", whole + "garbage", 400, "The body could not be read to its end"},
		{"damaged", "gzip", whole[:len(whole)-8] + "12345678", 400, "The body could not be read to its end"},
		{"no JSON in it", "gzip", gzipped(t, `{`), 400, "Invalid JSON at byte 1: unexpected end of JSON input"},
		{"just as large as allowed", "gzip", gzipped(t, `{"a":"`+strings.Repeat("x", small-8)+`"}`), 200, `{"a":"` + strings.Repeat("x", small-8) + `"}`},
		{"larger when inflated", "gzip", gzipped(t, `{"a":"`+strings.Repeat("x", small-7)+`"}`), 413, "Message too large"},
		{"a bomb", "gzip", bomb[:small], 413, "Message too large"},
		{"not gzip", "gzip", `{"a":1}`, 400, "The body is not gzip"},
		{"empty", "gzip", ``, 400, "The body is not gzip"},
		{"cut short", "gzip", whole[:len(whole)-3], 400, "The body could not be read to its end"},
		{"another", "br", whole, 415, "Unsupported Content-Encoding: send gzip, or the body uncompressed"},
		{"two", "gzip, gzip", whole, 415, "Unsupported Content-Encoding: send gzip, or the body uncompressed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, Config{MaxBody: small})
			w := f.publish("application/json", row.body, "Content-Encoding: "+row.encoding)
			if row.status == http.StatusOK {
				wantAnswer(t, w, http.StatusOK, "OK")
				if got := f.payloads(); len(got) != 1 || got[0] != row.want {
					t.Errorf("appended %q, want %q", got, row.want)
				}
				return
			}
			wantAnswer(t, w, row.status, refusal(row.want))
		})
	}
}

// FuzzPublishBody checks that whatever is sent is either refused or stored as a JSON object: the very bytes, unless they
// were a form or nothing.
func FuzzPublishBody(f *testing.F) {
	for _, contentType := range []string{"", "application/json", "application/json; charset=latin1", typeForm, "text/plain", ";"} {
		for _, body := range []string{"", "{}", ` {"a":[1,{"b":null}]}`, "[", "a[b]=c&a[d][]=e&a[d][]=f", "a=1&a[b]=2", "%ff=%00", "{\xff"} {
			f.Add(contentType, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/channel/app1/private/a", bytes.NewReader(body))
		r.Header.Set("Authorization", basic(key))
		r.Header.Set("Content-Type", contentType)
		s, w := newFixture(t, Config{MaxBody: 1 << 10}), httptest.NewRecorder()
		s.echo.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusOK:
			stored := s.stream.messages[0].Data
			if !json.Valid(stored) || !utf8.Valid(stored) || firstByte(stored) != '{' || len(stored) > 1<<10 {
				t.Errorf("stored %q", stored)
			}
			if verbatim := bytes.Equal(stored, body); verbatim != (firstByte(body) == '{') {
				t.Errorf("%q as %q stored as %q", body, contentType, stored)
			}
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
			if len(s.stream.messages) != 0 || !json.Valid(w.Body.Bytes()) {
				t.Errorf("answer %d %s, stored %q", w.Code, w.Body, s.payloads())
			}
		default:
			t.Errorf("status %d %s", w.Code, w.Body)
		}
	})
}
