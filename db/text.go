package db

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText bounds names, purposes, user names and key ids, in characters: the width of their columns.
const maxText = 255

// checkText returns nil if value, which may be empty only if least is 0, can be stored as what. A control character could
// not be seen in a list, and NUL not be stored by Postgres.
func checkText(what, value string, least int) error {
	switch {
	case !utf8.ValidString(value):
		return fmt.Errorf("%w %s: not UTF-8", ErrInvalid, what)
	case strings.ContainsFunc(value, unicode.IsControl):
		return fmt.Errorf("%w %s: has a control character", ErrInvalid, what)
	case utf8.RuneCountInString(value) > maxText:
		return fmt.Errorf("%w %s: longer than %d characters", ErrInvalid, what, maxText)
	case utf8.RuneCountInString(value) < least:
		return fmt.Errorf("%w %s: empty", ErrInvalid, what)
	}
	return nil
}

// storable reports whether ids could be those of rows. It is looser than AppID.Valid: an application of the Node version
// whose id has a dash has no valid channel, but can be looked at and deleted.
func storable(ids ...string) bool {
	for _, id := range ids {
		if checkText("id", id, 1) != nil {
			return false
		}
	}
	return true
}
