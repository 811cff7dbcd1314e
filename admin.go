package pandapush

import "time"

// AppOrder is what a list of applications is sorted by.
type AppOrder string

// The orders. Equal ones are sorted by id.
const (
	ByName    AppOrder = "name" // upper and lower case alike, as far as the database knows them
	ByCreated AppOrder = "created_at"
	ByID      AppOrder = "id"
)

// AppQuery says which applications are wanted. Zero fields leave nothing out.
type AppQuery struct {
	User       string   // only those that this user administers
	Search     string   // part of the name, upper and lower case alike, or the beginning of the id
	Sort       AppOrder // ByName if empty
	Descending bool
	Offset     int
	Limit      int // at most so many; 0 for all
}

// AppChange says what of an application is to change. Fields that are nil stay as they are.
type AppChange struct {
	Name     *string  // 1 to 255 characters
	Admins   []string // user names, 1 to 255 characters each, at most 1,000; duplicates count once
	Settings *Settings

	// Check, if it is not nil, looks at the application as it is right before the change. Its error keeps it as it is.
	Check func(App) error
}

// NewKey is what a key is made from.
type NewKey struct {
	App     AppID
	By      string    // who makes it; 1 to 255 characters
	Purpose string    // free text of at most 255 characters
	Expires time.Time // zero for never; kept to the millisecond
}

// What is done to applications and keys, as Change.Action says it.
const (
	AppCreated = "app.create"
	AppUpdated = "app.update"
	AppDeleted = "app.delete"
	KeyCreated = "key.create"
	KeyRotated = "key.rotate"
	KeyRevoked = "key.revoke"
	KeyDeleted = "key.delete"
)

// Fields are named values of what was changed; they can be written as JSON. No secret is ever among them.
type Fields map[string]any

// Change is a row of the audit log: who did what, when, and what became of what.
type Change struct {
	ID            int64 // grows with time; set by the database
	At            time.Time
	By            string
	Action        string
	App           AppID  // empty if it is not about one
	Target        string // what of the application: a key's id, for example; may be empty
	Before, After Fields // those that differ; nil if there was or is nothing
}

// AuditQuery says which changes are wanted. Zero fields leave nothing out.
type AuditQuery struct {
	App    AppID
	User   string // only of applications that this user administers; nothing of what is about none
	By     string
	Action string // an action, or the part before the dot: "key" is all that is done to keys
	Before int64  // only rows with a smaller ID: the rest of a list
	Limit  int    // at most so many; required
}
