package pandapush

import (
	"log/slog"
	"slices"
	"time"
)

// App is an application: a tenant of the service.
type App struct {
	ID        AppID
	Name      string
	CreatedBy string
	CreatedAt time.Time
	UpdatedAt time.Time // zero if never updated
	Admins    []string  // user names, sorted
	Settings  Settings
}

// KeyID names a key within its application.
type KeyID string

// Secret is a key's secret. It hides itself from logs and from fmt; Reveal gives the text.
type Secret string

// String returns a fixed text in place of the secret.
func (Secret) String() string { return "[secret]" }

// GoString returns a fixed text in place of the secret.
func (Secret) GoString() string { return "[secret]" }

// LogValue returns a fixed text in place of the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// Key is a credential of an application: with its secret it gives all rights but presence, and signs tokens that give fewer.
type Key struct {
	ID        KeyID
	App       AppID
	Secret    Secret
	CreatedBy string
	Purpose   string
	CreatedAt time.Time
	UpdatedAt time.Time // zero if never updated
	ExpiresAt time.Time // zero if it never expires
	RevokedAt time.Time // zero if it is not revoked
	LastUsed  time.Time // zero if never used
	UseCount  int64

	// A key whose secret was replaced keeps the previous one for a while, so that those who use it have time to change over.
	PreviousSecret Secret    // empty if there is none
	PreviousUntil  time.Time // when that stops being valid
}

// Accepts reports whether secret is the key's, or the previous one while that is still valid. How long it takes reveals
// nothing about either.
func (k Key) Accepts(secret Secret, now time.Time) bool {
	fits := false
	for _, s := range k.secrets(now) {
		fits = equalSecrets(secret, s) || fits
	}
	return fits
}

// secrets returns the secrets that are valid now, the newest first.
func (k Key) secrets(now time.Time) []Secret {
	if k.PreviousSecret != "" && now.Before(k.PreviousUntil) {
		return []Secret{k.Secret, k.PreviousSecret}
	}
	return []Secret{k.Secret}
}

// signs reports whether tokens signed with secret are accepted as the key's at that moment.
func (k Key) signs(secret Secret, now time.Time) bool {
	return k.Secret != "" && slices.Contains(k.secrets(now), secret)
}

// Usable returns nil, ErrExpiredKey or ErrRevokedKey.
func (k Key) Usable(now time.Time) error {
	if !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) {
		return ErrExpiredKey
	}
	if !k.RevokedAt.IsZero() && !now.Before(k.RevokedAt) {
		return ErrRevokedKey
	}
	return nil
}
