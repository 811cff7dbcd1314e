package admin

import (
	"errors"
	"net/http"
	"time"

	"github.com/pandapush/pandapush"
)

// keyView is a key as the API shows it.
type keyView struct {
	ID            pandapush.KeyID `json:"id"`
	App           pandapush.AppID `json:"application_id"`
	CreatedBy     string          `json:"created_by"`
	Purpose       *string         `json:"purpose"`
	Status        string          `json:"status"`
	CreatedAt     *string         `json:"created_at"`
	Expires       *string         `json:"expires"`
	UpdatedAt     *string         `json:"updated_at"`
	RevokedAt     *string         `json:"revoked_at"`
	LastUsed      *string         `json:"last_used"`
	UseCount      int64           `json:"use_count"`
	PreviousUntil *string         `json:"previous_until"`
}

// newKeyView is a key whose secret is shown, for the only time.
type newKeyView struct {
	keyView
	Secret string `json:"secret"`
}

func (s *Server) viewKey(k pandapush.Key) keyView {
	status := "active"
	switch err := k.Usable(s.cfg.Now()); {
	case errors.Is(err, pandapush.ErrRevokedKey):
		status = "revoked"
	case err != nil:
		status = "expired"
	}
	previous := k.PreviousUntil
	if status != "active" || !s.cfg.Now().Before(previous) { // no secret of a key that ended is good
		previous = time.Time{}
	}
	return keyView{
		ID: k.ID, App: k.App, CreatedBy: k.CreatedBy, Purpose: orNull(k.Purpose), Status: status,
		CreatedAt: moment(k.CreatedAt), Expires: moment(k.ExpiresAt), UpdatedAt: moment(k.UpdatedAt), RevokedAt: moment(k.RevokedAt),
		LastUsed: moment(k.LastUsed), UseCount: k.UseCount, PreviousUntil: moment(previous),
	}
}

func (s *Server) viewKeys(keys []pandapush.Key) []keyView {
	views := make([]keyView, len(keys))
	for i, k := range keys {
		views[i] = s.viewKey(k)
	}
	return views
}

func (s *Server) listKeys(c *call) error {
	keys, err := s.cfg.Store.AppKeys(c.r.Context(), c.app.ID)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, s.viewKeys(keys))
}

func (s *Server) createKey(c *call) error {
	body, err := decode[struct {
		Purpose *string `json:"purpose"`
		Expires *string `json:"expires"`
	}](c)
	if err != nil {
		return err
	}
	wanted := pandapush.NewKey{App: c.app.ID, By: c.user.Name}
	if body.Purpose != nil {
		wanted.Purpose = *body.Purpose
	}
	if body.Expires != nil {
		if wanted.Expires, err = s.future("expires", *body.Expires); err != nil {
			return err
		}
	}
	key, err := s.cfg.Store.CreateKey(c.r.Context(), wanted)
	if err != nil {
		return err
	}
	s.cfg.Changed(c.r.Context())
	return c.reply(http.StatusOK, newKeyView{s.viewKey(key), key.Secret.Reveal()})
}

// future reads a point in time that has not come yet.
func (s *Server) future(field, text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, invalid(field, "must be a time like 2030-01-02T03:04:05Z")
	}
	if !t.After(s.cfg.Now()) {
		return t, invalid(field, "is in the past")
	}
	return t, nil
}

// keyID is the key that the path names.
func (c *call) keyID() pandapush.KeyID { return pandapush.KeyID(c.param("keyId")) }

// ofKey has pandapush.ErrNotFound say that it is the key which does not exist.
func ofKey(err error) error {
	if errors.Is(err, pandapush.ErrNotFound) {
		return errNoKey
	}
	return err
}

// getKey also counts what would end with the key.
func (s *Server) getKey(c *call) error {
	key, err := s.cfg.Store.Key(c.r.Context(), c.app.ID, c.keyID())
	if err != nil {
		return ofKey(err)
	}
	answer := struct {
		Key           keyView `json:"key"`
		Subscriptions int     `json:"subscriptions"`
		Connections   int     `json:"connections"`
		Complete      bool    `json:"complete"`
	}{Key: s.viewKey(key)}
	answer.Complete, err = s.eachSession(c.r.Context(), c.app.ID, func(found session) bool {
		n := 0
		for _, sub := range found.subscriptions {
			if sub.Grant.Key == key.ID {
				n++
			}
		}
		if n > 0 {
			answer.Connections++
			answer.Subscriptions += n
		}
		return true
	})
	if err != nil {
		return err
	}
	if key.RevokedAt.IsZero() { // else they have ended, though the last sample may still have them
		streams := s.cfg.Live.Followers(c.app.ID)[key.ID]
		answer.Connections += int(streams.Connections)
		answer.Subscriptions += int(streams.Subscriptions)
	}
	return c.reply(http.StatusOK, answer)
}

func (s *Server) deleteKey(c *call) error {
	if err := s.cfg.Store.DeleteKey(c.r.Context(), c.user.Name, c.app.ID, c.keyID()); err != nil {
		return ofKey(err)
	}
	s.cfg.Changed(c.r.Context())
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) revokeKey(c *call) error {
	if _, err := decode[struct{}](c); err != nil {
		return err
	}
	if err := s.cfg.Store.RevokeKey(c.r.Context(), c.user.Name, c.app.ID, c.keyID()); err != nil {
		return ofKey(err)
	}
	s.cfg.Changed(c.r.Context())
	key, err := s.cfg.Store.Key(c.r.Context(), c.app.ID, c.keyID())
	if err != nil {
		return ofKey(err)
	}
	return c.reply(http.StatusOK, s.viewKey(key))
}

// defaultOverlap is how long a secret stays valid after its rotation, unless the request says something else.
const defaultOverlap = 24 * 3600 // seconds

func (s *Server) rotateKey(c *call) error {
	body, err := decode[struct {
		Overlap *int64 `json:"overlap"`
	}](c)
	if err != nil {
		return err
	}
	overlap := int64(defaultOverlap)
	if body.Overlap != nil {
		overlap = *body.Overlap
	}
	if overlap < 0 || overlap > maxOverlap {
		return invalid("overlap", "must be between 0 and 31536000 seconds")
	}
	key, err := s.cfg.Store.RotateKey(c.r.Context(), c.user.Name, c.app.ID, c.keyID(), time.Duration(overlap)*time.Second)
	if err != nil {
		return ofKey(err)
	}
	s.cfg.Changed(c.r.Context())
	return c.reply(http.StatusOK, newKeyView{s.viewKey(key), key.Secret.Reveal()})
}

// maxOverlap is a year: beyond it the duration might not be one.
const maxOverlap = 365 * 24 * 3600 // seconds
