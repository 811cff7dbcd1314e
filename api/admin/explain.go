package admin

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pandapush/pandapush"
)

// verdict is an answer with its reasons, step by step.
type verdict struct {
	OK      bool   `json:"ok"`
	Summary string `json:"summary"`
	Steps   []step `json:"steps"`
}

// step is one thing that was looked at.
type step struct {
	Name   string `json:"name"`
	Result result `json:"result"`
	Detail string `json:"detail"`
}

// result is what came of a step.
type result string

const (
	stepOK      result = "ok"
	stepFailed  result = "failed"
	stepUnknown result = "unknown" // it can't be known any more
	stepSkipped result = "skipped" // a step before decides
)

// add adds a step, and makes the verdict's summary that of the first that fails.
func (v *verdict) add(name string, r result, detail string) {
	if r == stepFailed && v.OK {
		v.OK, v.Summary = false, detail
	}
	v.Steps = append(v.Steps, step{name, r, detail})
}

// doubt adds a step whose result is not known, on which the answer depends.
func (v *verdict) doubt(name, detail string) {
	if v.OK {
		v.OK, v.Summary = false, "That is not known. "+detail
	}
	v.Steps = append(v.Steps, step{name, stepUnknown, detail})
}

// checks are what pandapush.Authority looks at, in its order, with the refusals that each can end in and what to say of it
// when it holds.
func checks() []struct {
	name, holds string
	refusals    []pandapush.Refusal
} {
	return []struct {
		name, holds string
		refusals    []pandapush.Refusal
	}{
		{"Application", "The application exists and is not suspended.", []pandapush.Refusal{pandapush.ErrUnknownApp, pandapush.ErrSuspended}},
		{"Credential", "There is one.", []pandapush.Refusal{pandapush.ErrNoAuth, pandapush.ErrIncompleteAuth, pandapush.ErrMalformedToken}},
		{"Key", "The application has the key that it names.", []pandapush.Refusal{pandapush.ErrUnknownKey}},
		{"Proof", "The secret is right, or the token is signed with it and valid now.", []pandapush.Refusal{pandapush.ErrWrongSecret, pandapush.ErrInvalidToken}},
		{"Key's life", "The key is neither expired nor revoked.", []pandapush.Refusal{pandapush.ErrExpiredKey, pandapush.ErrRevokedKey}},
		{"Channel", "The credential is for that channel.", []pandapush.Refusal{pandapush.ErrTokenChannel}},
		{"Right", "It allows that.", []pandapush.Refusal{
			pandapush.ErrNoSubscribing, pandapush.ErrNoPublishing, pandapush.ErrNoPresenceID, pandapush.ErrPresenceTooLarge, pandapush.ErrMetaReadOnly,
		}},
	}
}

func (s *Server) explainAccess(c *call) error {
	body, err := decode[struct {
		Channel string `json:"channel"`
		Token   string `json:"token"`
		Key     string `json:"key"`
		Secret  string `json:"secret"`
	}](c)
	if err != nil {
		return err
	}
	target, err := pandapush.ParsePattern(body.Channel)
	if err != nil || target.App() != c.app.ID {
		return invalid("channel", "is no channel or pattern of this application")
	}
	cred := pandapush.Credential{
		Token: strings.TrimSpace(body.Token), Key: pandapush.KeyID(body.Key), Secret: pandapush.Secret(body.Secret),
		Given: body.Token != "" || body.Key != "" || body.Secret != "",
	}
	claims := claimsOf(cred.Token)
	publish := s.explainAction(cred, pandapush.Publish, target, claims)
	if target.Wild() {
		publish = verdict{OK: true}
		publish.add("Channel", stepFailed, "A message goes to one channel, not to a pattern.")
	}
	return c.reply(http.StatusOK, map[string]any{
		"publish": publish, "subscribe": s.explainAction(cred, pandapush.Subscribe, target, claims), "claims": claims,
	})
}

// explainAction asks for the decision itself, and works out from its reason what held before.
func (s *Server) explainAction(cred pandapush.Credential, action pandapush.Action, target pandapush.Pattern, claims map[string]any) verdict {
	grant, err := pandapush.NewAuthority(s.cfg.Keys).Authorize(cred, action, target, s.cfg.Now())
	v := verdict{OK: true, Summary: "It is allowed."}
	if err == nil && grant.Key == "" {
		v.add("Application", stepOK, "The application exists and is not suspended.")
		v.add("Credential", stepSkipped, "Anyone may subscribe to a public channel; a credential is not looked at.")
		return v
	}
	var why pandapush.Refusal
	_ = errors.As(err, &why) // all of them are; "" for nil
	for _, check := range checks() {
		switch {
		case !v.OK:
			v.add(check.name, stepSkipped, "")
		case slices.Contains(check.refusals, why):
			v.add(check.name, stepFailed, s.detail(why, claims))
		default:
			v.add(check.name, stepOK, check.holds)
		}
	}
	if err != nil && v.OK { // a refusal that is not in the table
		v.add("Decision", stepFailed, err.Error())
	}
	return v
}

// detail says more than a client hears of a refusal.
func (s *Server) detail(why pandapush.Refusal, claims map[string]any) string {
	text := why.Error() + "."
	now := s.cfg.Now()
	switch why {
	case pandapush.ErrInvalidToken:
		if exp, ok := momentOf(claims["exp"]); ok && !now.Before(exp) {
			return text + " It expired at " + instant(exp) + "."
		}
		if nbf, ok := momentOf(claims["nbf"]); ok && now.Before(nbf) {
			return text + " It is not valid before " + instant(nbf) + "."
		}
		return text + " It is not signed with the key's secret by HS256, HS384 or HS512, or a claim is not what it should be."
	case pandapush.ErrTokenChannel:
		if channel, ok := claims["channel"].(string); ok {
			return text + " It is for " + channel + "."
		}
	case pandapush.ErrUnknownKey:
		if id, ok := claims["keyId"].(string); ok {
			return text + " It names " + id + "."
		}
	}
	return text
}

// momentOf reads a claim that is a time, in seconds since 1970; false if it is none, or none before the year 10000.
func momentOf(claim any) (time.Time, bool) {
	seconds, ok := claim.(float64)
	const last = 253402300799
	if !ok || seconds < 0 || seconds > last {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// claimsOf returns what a token says, believed or not; nil if it can't be read.
func claimsOf(token string) map[string]any {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > pandapush.MaxTokenLength {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var claims map[string]any
	if json.Unmarshal(text, &claims) != nil {
		return nil
	}
	return claims
}
