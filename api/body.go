package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/pandapush/pandapush"
)

const typeForm = "application/x-www-form-urlencoded"

// readPayload returns the JSON object that r's body holds, at most limit bytes of it. The errors are answers to the client.
func readPayload(r *http.Request, limit int64) ([]byte, error) {
	mediaType, err := mediaTypeOf(r.Header)
	if err != nil {
		return nil, err
	}
	body, err := readBody(r, limit)
	if err != nil {
		return nil, err
	}
	first := firstByte(body)
	switch {
	case isJSON(mediaType) && len(body) == 0:
		return []byte("{}"), nil
	case mediaType == typeForm && first != '{' && first != '[':
		return formPayload(body, limit)
	case isJSON(mediaType), mediaType == typeForm, first == '{':
		return body, checkObject(body)
	}
	return nil, unsupported("Unsupported Content-Type: send a JSON object or a form")
}

// mediaTypeOf returns the media type of a request's body in lower case, "" if it does not say.
func mediaTypeOf(h http.Header) (string, error) {
	header := h.Get("Content-Type")
	if header == "" || header == "application/json" {
		return header, nil
	}
	mediaType, params, err := mime.ParseMediaType(header)
	if err != nil {
		return "", unsupported("Malformed Content-Type")
	}
	if c := params["charset"]; c != "" && !strings.EqualFold(c, "utf-8") && !strings.EqualFold(c, "utf8") {
		return "", unsupported(fmt.Sprintf("Unsupported charset %q: send UTF-8", c))
	}
	return mediaType, nil
}

// isJSON reports whether a body of that type is to be read as JSON. One without a type is.
func isJSON(mediaType string) bool {
	return mediaType == "" || mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}

// errCutShort says that the client went away, took longer than the server's deadline, or sent what is no gzip.
var errCutShort = badRequest("The body could not be read to its end")

// inflated returns a request's body, decompressed if h says that it is compressed. What comes of it has to be bounded by who
// reads it.
func inflated(h http.Header, body io.Reader) (io.Reader, error) {
	switch encoding := strings.ToLower(strings.Join(h.Values("Content-Encoding"), ", ")); encoding {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		return &gunzip{from: bufio.NewReader(body)}, nil
	}
	return nil, unsupported("Unsupported Content-Encoding: send gzip, or the body uncompressed")
}

// readBody reads all of r's body, into a buffer of just its size if the client says it.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, pandapush.ErrMessageTooLarge
	}
	raw := &io.LimitedReader{R: r.Body, N: limit + 1} // any number of empty gzip members would not grow what comes of them
	source, err := inflated(r.Header, raw)
	if err != nil {
		return nil, err
	}
	var body []byte
	if r.ContentLength >= 0 && source == io.Reader(raw) {
		body = make([]byte, r.ContentLength)
		_, err = io.ReadFull(source, body)
	} else {
		body, err = io.ReadAll(io.LimitReader(source, limit+1))
	}
	switch {
	case int64(len(body)) > limit || raw.N == 0:
		return nil, pandapush.ErrMessageTooLarge
	case errors.Is(err, errNoGzip):
		return nil, err
	case err != nil:
		return nil, errCutShort
	}
	return body, nil
}

// checkObject returns nil if body is a JSON object in UTF-8.
func checkObject(body []byte) error {
	if !utf8.Valid(body) {
		return badRequest(fmt.Sprintf("Invalid UTF-8 at byte %d", invalidUTF8(body)))
	}
	if !json.Valid(body) {
		return invalidJSON(body)
	}
	if firstByte(body) != '{' {
		return badRequest("Payload must be an object")
	}
	return nil
}

// invalidJSON says where body stops being JSON, counting bytes from 1.
func invalidJSON(body []byte) error {
	var (
		syntax *json.SyntaxError
		raw    json.RawMessage
	)
	if errors.As(json.Unmarshal(body, &raw), &syntax) {
		return badRequest(fmt.Sprintf("Invalid JSON at byte %d: %v", syntax.Offset, syntax))
	}
	return badRequest("Invalid JSON")
}

// invalidUTF8 returns where body stops being UTF-8, counting bytes from 1.
func invalidUTF8(body []byte) int {
	at := 0
	for at < len(body) {
		r, size := utf8.DecodeRune(body[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at + 1
}

// firstByte returns the first byte of body that is not JSON's white space, 0 if there is none.
func firstByte(body []byte) byte {
	if rest := bytes.TrimLeft(body, " \t\r\n"); len(rest) > 0 {
		return rest[0]
	}
	return 0
}
