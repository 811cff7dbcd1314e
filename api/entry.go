package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// entry is one message of a batch, or of a line: for one channel, or the same for several.
type entry struct {
	Channel  string          `json:"channel"`
	Channels []string        `json:"channels"`
	Data     json.RawMessage `json:"data"`
	Exclude  *string         `json:"exclude"`
	TTL      *ttlText        `json:"ttl"`
}

// ttlText is a time to live as text: "30s", or a number of seconds.
type ttlText string

// UnmarshalJSON takes a string or a number.
func (t *ttlText) UnmarshalJSON(raw []byte) error {
	if raw[0] != '"' {
		*t = ttlText(raw)
		return nil
	}
	var text string
	err := json.Unmarshal(raw, &text)
	*t = ttlText(text)
	return err
}

// parseEntries reads a JSON array of entries in UTF-8, and checks the shape of each. The error has its place as a JSON
// pointer.
func parseEntries(body []byte) ([]entry, error) {
	if !utf8.Valid(body) {
		return nil, badRequest(fmt.Sprintf("Invalid UTF-8 at byte %d", invalidUTF8(body)))
	}
	var entries []entry
	if decode(body, &entries) != nil {
		// The decoder does not say which element is wrong, so they are looked at one by one.
		var err error
		if entries, err = parseEach(body); err != nil {
			return nil, err
		}
	}
	for i := range entries {
		if err := entries[i].check(); err != nil {
			return nil, inField(err, "/"+strconv.Itoa(i))
		}
	}
	return entries, nil
}

// parseEach is the slow way to read entries, which finds what is wrong.
func parseEach(body []byte) ([]entry, error) {
	var elements []json.RawMessage
	if err := json.Unmarshal(body, &elements); err != nil {
		if _, mistyped := errors.AsType[*json.UnmarshalTypeError](err); mistyped {
			return nil, badRequest("A batch is an array of messages")
		}
		return nil, invalidJSON(body)
	}
	entries := make([]entry, len(elements))
	for i, element := range elements {
		if err := decode(element, &entries[i]); err != nil {
			return nil, inField(entryError(element, err), "/"+strconv.Itoa(i))
		}
	}
	return entries, nil
}

// parseEntry reads one entry, and checks its shape.
func parseEntry(raw []byte) (e entry, err error) {
	if err := decode(raw, &e); err != nil {
		return e, entryError(raw, err)
	}
	return e, e.check()
}

var errMore = badRequest("More than one JSON value")

// decode reads one JSON value. Unknown fields are refused: they are typing errors.
func decode(raw []byte, to any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(to); err != nil {
		return err
	}
	if len(bytes.TrimSpace(raw[decoder.InputOffset():])) > 0 {
		return errMore
	}
	return nil
}

// check returns what is wrong with an entry's shape.
func (e *entry) check() error {
	switch {
	case e.Channel == "" && len(e.Channels) == 0:
		return inField(badRequest("Missing"), "/channel")
	case e.Channel != "" && e.Channels != nil:
		return inField(badRequest("Conflicts with channel"), "/channels")
	case e.Data == nil:
		return inField(badRequest("Missing"), "/data")
	case e.Data[0] != '{':
		return inField(badRequest("Payload must be an object"), "/data")
	}
	return nil
}

// pointerEscapes makes of a name a part of a JSON pointer (RFC 6901).
var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// entryError turns the decoder's error into ours.
func entryError(raw []byte, err error) error {
	if errors.Is(err, errMore) {
		return err
	}
	if mistyped, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if mistyped.Field == "" {
			return badRequest("A message is an object with channel and data")
		}
		return inField(badRequest("Must not be a "+mistyped.Value), "/"+strings.ReplaceAll(mistyped.Field, ".", "/"))
	}
	if _, name, ok := strings.Cut(err.Error(), "unknown field "); ok { // the decoder has no type for this error
		if unquoted, err := strconv.Unquote(name); err == nil {
			name = unquoted
		}
		return inField(badRequest("Unknown"), "/"+pointerEscapes.Replace(name))
	}
	return invalidJSON(raw)
}
