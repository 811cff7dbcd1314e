package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// entry is one message of a batch, or of a line: for one channel, or the same for several.
type entry struct {
	Channel  string          `json:"channel"`
	Channels []string        `json:"channels"`
	Data     json.RawMessage `json:"data"`
	Exclude  string          `json:"exclude"`
	TTL      ttlText         `json:"ttl"`
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

// splitArray returns the elements of a JSON array, still to be read, which is in UTF-8.
func splitArray(body []byte) ([]json.RawMessage, error) {
	if !utf8.Valid(body) {
		return nil, badRequest(fmt.Sprintf("Invalid UTF-8 at byte %d", invalidUTF8(body)))
	}
	var elements []json.RawMessage
	var mistyped *json.UnmarshalTypeError
	switch err := json.Unmarshal(body, &elements); {
	case errors.As(err, &mistyped):
		return nil, badRequest("A batch is an array of messages")
	case err != nil:
		return nil, invalidJSON(body)
	}
	return elements, nil
}

// parseEntry reads an entry, and checks its shape. Unknown fields are refused: they are typing errors.
func parseEntry(raw []byte) (e entry, err error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&e); err != nil {
		return e, entryError(raw, err)
	}
	switch {
	case len(bytes.TrimSpace(raw[decoder.InputOffset():])) > 0:
		return e, badRequest("More than one JSON value")
	case firstByte(raw) != '{':
		return e, badRequest("A message is an object with channel and data")
	case e.Channel == "" && len(e.Channels) == 0:
		return e, inField(badRequest("Missing"), "/channel")
	case e.Channel != "" && e.Channels != nil:
		return e, inField(badRequest("Conflicts with channel"), "/channels")
	case e.Data == nil:
		return e, inField(badRequest("Missing"), "/data")
	case firstByte(e.Data) != '{':
		return e, inField(badRequest("Payload must be an object"), "/data")
	}
	return e, nil
}

// entryError turns the decoder's error into ours.
func entryError(raw []byte, err error) error {
	if mistyped, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if mistyped.Field == "" {
			return badRequest("A message is an object with channel and data")
		}
		return inField(badRequest("Must not be a "+mistyped.Value), "/"+strings.ReplaceAll(mistyped.Field, ".", "/"))
	}
	if _, name, ok := strings.Cut(err.Error(), "unknown field "); ok { // the decoder has no type for this error
		return inField(badRequest("Unknown"), "/"+strings.Trim(name, `"`))
	}
	return invalidJSON(raw)
}
