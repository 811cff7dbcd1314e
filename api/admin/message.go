package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pandapush/pandapush"
)

// maxBody bounds a request's body, in bytes.
const maxBody = 1 << 20

// isoMillis is how the Node version wrote moments.
const isoMillis = "2006-01-02T15:04:05.000Z"

// send writes a whole response.
func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only when the client is gone, and then there is nobody to tell
}

// reply answers with v as JSON.
func (c *call) reply(status int, v any) error {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	send(c.w, status, "application/json; charset=utf-8", bytes.TrimSpace(body.Bytes()))
	return nil
}

// readBody reads a request's body, which is JSON if there is one. The error is errNotJSON, errTooLarge, or a pandapush.Invalid.
func (c *call) readBody() (err error) {
	c.body, err = io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return errTooLarge
	}
	if err != nil {
		return invalid("body", "could not be read to its end")
	}
	if header := c.r.Header.Get("Content-Type"); header != "" || len(c.body) > 0 {
		mediaType, params, err := mime.ParseMediaType(header)
		if charset := params["charset"]; err != nil || mediaType != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
			return errNotJSON
		}
	}
	if !utf8.Valid(c.body) { // encoding/json would put other characters in the place of what is not
		return invalid("body", "is not UTF-8")
	}
	return nil
}

// decode reads the request's body, a JSON object, into a new T. No body is an empty object. The error is a pandapush.Invalid
// that names the field.
func decode[T any](c *call) (v T, err error) {
	if len(c.body) == 0 {
		return v, nil
	}
	return v, decodeObject(c.body, &v)
}

func decodeObject(body []byte, v any) error {
	if first := bytes.TrimLeft(body, " \t\r\n"); len(first) == 0 || first[0] != '{' {
		return invalid("body", "is not a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrongType):
		return invalid(wrongType.Field, "must be "+nameOf(wrongType.Type))
	case err != nil:
		if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return invalid(strings.Trim(field, `"`), "is not known")
		}
		if wrong, ok := errors.AsType[pandapush.Invalid](err); ok {
			return wrong
		}
		return invalid("body", "is not valid JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return invalid("body", "goes on after the JSON object")
	}
	return nil
}

// nameOf returns what JSON calls the values of a type.
func nameOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "a number within its bounds"
	}
}

// invalid is the refusal of one value.
func invalid(field, detail string) error {
	return pandapush.Invalid{{Field: field, Detail: detail}}
}

// query reads the parameters of a request's query, and keeps what is wrong with them.
type query struct {
	values url.Values
	known  map[string]bool
	wrong  pandapush.Invalid
}

func newQuery(c *call) *query {
	q := &query{known: map[string]bool{}}
	var err error
	if q.values, err = url.ParseQuery(c.r.URL.RawQuery); err != nil { // or a parameter that can't be read would count as left out
		q.problem("query", "cannot be read")
	}
	return q
}

func (q *query) problem(name, detail string) {
	q.wrong = append(q.wrong, pandapush.Problem{Field: name, Detail: detail})
}

// text returns a parameter of at most so many bytes.
func (q *query) text(name string, most int) string {
	q.known[name] = true
	v := q.values.Get(name)
	if len(v) > most {
		q.problem(name, fmt.Sprintf("is longer than %d bytes", most))
	}
	return v
}

// oneOf returns a parameter that is one of a few words, the first if it is left out.
func (q *query) oneOf(name string, words ...string) string {
	v := q.text(name, 1024)
	if v == "" {
		return words[0]
	}
	if slices.Contains(words, v) {
		return v
	}
	q.problem(name, "must be one of "+strings.Join(words, ", "))
	return words[0]
}

// number returns a parameter within bounds, or what holds if it is left out.
func (q *query) number(name string, least, most, otherwise int64) int64 {
	v := q.text(name, 1024)
	if v == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < least || n > most {
		q.problem(name, fmt.Sprintf("must be a whole number from %d to %d", least, most))
		return otherwise
	}
	return n
}

// moment returns a point in time, zero if it is left out.
func (q *query) moment(name string) time.Time {
	v := q.text(name, 1024)
	if v == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil || t.UnixMilli() < 0 {
		q.problem(name, "must be a time like 2030-01-02T03:04:05Z")
	}
	return t
}

// err returns what is wrong with the parameters, unknown ones included.
func (q *query) err() error {
	for name := range q.values {
		if !q.known[name] {
			q.problem(name, "is not known")
		}
	}
	return q.wrong.OrNil()
}

// moment writes a time as the API does; a zero one is null.
func moment(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := instant(t)
	return &text
}

// instant writes a time that is never zero.
func instant(t time.Time) string { return t.UTC().Format(isoMillis) }

// orNull returns nil for "".
func orNull[T ~string](s T) *string {
	if s == "" {
		return nil
	}
	text := string(s)
	return &text
}
