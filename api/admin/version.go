package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/pandapush/pandapush"
)

// What may be changed of an application has versions, so that of two administrators who change the same thing at the same time
// the second is told. Its name and administrators have one, and its settings another: they are changed apart.

func whoseVersion(app pandapush.App) string { return version("%q %q", app.Name, app.Admins) }

func settingsVersion(app pandapush.App) string { return version("%+v", app.Settings) }

// version names a state: another one has another name.
func version(format string, of ...any) string {
	sum := sha256.Sum256(fmt.Appendf(nil, format, of...))
	return hex.EncodeToString(sum[:8])
}

// showVersion tells the client which version it gets.
func (c *call) showVersion(version string) { c.w.Header().Set("ETag", `"`+version+`"`) }

// unchanged returns a check that an application is still the version which the client wants to change; nil if it names none. A
// proxy that compresses may have made a weak tag of it.
func (c *call) unchanged(version func(pandapush.App) string) func(pandapush.App) error {
	tag := strings.TrimPrefix(c.r.Header.Get("If-Match"), "W/")
	if tag == "" || tag == "*" {
		return nil
	}
	return func(app pandapush.App) error {
		if tag != `"`+version(app)+`"` {
			return pandapush.ErrChanged
		}
		return nil
	}
}
