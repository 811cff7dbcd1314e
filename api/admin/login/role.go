package login

import (
	"net/http"
	"slices"
)

// Role is what a user may do.
type Role string

// The roles. Where several would fit, the first does.
const (
	Root     Role = "root"      // everything
	ReadOnly Role = "read-only" // see everything, change nothing
	Admin    Role = "admin"     // see and change the applications that they administer, and make some
)

// User is who asks.
type User struct {
	Name string // never empty
	Role Role
}

// SeesAll reports whether all applications are the user's to see, and the service as a whole.
func (u User) SeesAll() bool { return u.Role != Admin }

// identity is what a method of login found out.
type identity struct {
	name string
	role Role // what a claim says; "" for nothing
}

// role decides what somebody may do.
func (l *Logins) role(who identity) Role {
	switch {
	case who.role == Root, slices.Contains(l.cfg.Roots, who.name):
		return Root
	case who.role == ReadOnly, slices.Contains(l.cfg.ReadOnly, who.name):
		return ReadOnly
	}
	return Admin
}

// safe reports whether a request only looks.
func safe(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
}
