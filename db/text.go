package db

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pandapush/pandapush"
)

// maxText bounds names, purposes, user names and key ids, in characters: the width of their columns.
const maxText = 255

// checkText returns what is wrong with value, which may be empty, or all spaces, only if least is 0, as that of a field. A control character
// could not be seen in a list, and NUL not be stored by Postgres.
func checkText(field, value string, least int) pandapush.Invalid {
	wrong := func(detail string) pandapush.Invalid { return pandapush.Invalid{{Field: field, Detail: detail}} }
	switch {
	case !utf8.ValidString(value):
		return wrong("not UTF-8")
	case strings.ContainsFunc(value, unicode.IsControl):
		return wrong("has a control character")
	case utf8.RuneCountInString(value) > maxText:
		return wrong(fmt.Sprintf("longer than %d characters", maxText))
	case least > 0 && strings.TrimSpace(value) == "":
		return wrong("empty")
	}
	return nil
}

// invalidIn returns the problems that err is, if it is some.
func invalidIn(err error) pandapush.Invalid {
	wrong, _ := errors.AsType[pandapush.Invalid](err)
	return wrong
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
