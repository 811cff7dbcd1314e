package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"
)

// provider is what is known of an OpenID provider: nothing before the first login, so that the service starts without it.
type provider struct {
	cfg      OIDC
	callback string

	asking singleflight.Group
	known  atomic.Pointer[discovery]
}

// discovery is what a provider says of itself.
type discovery struct {
	oidc   *oidc.Provider
	oauth  oauth2.Config
	verify *oidc.IDTokenVerifier
	logout string // where the browser logs out of the provider; "" if that is nowhere
}

func newProvider(cfg OIDC, callback string) *provider {
	if cfg.Client == nil {
		cfg.Client = &http.Client{Timeout: providerWaits}
	}
	if cfg.UsernameClaim == "" {
		cfg.UsernameClaim = "preferred_username"
	}
	if cfg.Scopes == nil {
		cfg.Scopes = []string{"profile"}
	}
	return &provider{cfg: cfg, callback: callback}
}

// discovered asks the provider for its addresses and keys, once. Those who come meanwhile wait for the same answer.
func (p *provider) discovered(ctx context.Context) (*discovery, error) {
	if d := p.known.Load(); d != nil {
		return d, nil
	}
	_, err, _ := p.asking.Do("", func() (any, error) {
		// Not of the one request that happens to come first; the client bounds it.
		ctx := oidc.ClientContext(context.WithoutCancel(ctx), p.cfg.Client)
		found, err := oidc.NewProvider(ctx, p.cfg.Issuer)
		if err != nil {
			return nil, away("discovery", err)
		}
		logout, err := logoutURL(found, p.cfg.ClientID)
		if err != nil {
			return nil, away("discovery", err)
		}
		p.known.Store(&discovery{
			oidc: found, logout: logout,
			oauth: oauth2.Config{
				ClientID: p.cfg.ClientID, ClientSecret: p.cfg.ClientSecret, Endpoint: found.Endpoint(),
				RedirectURL: p.callback, Scopes: append([]string{oidc.ScopeOpenID}, p.cfg.Scopes...),
			},
			verify: found.Verifier(&oidc.Config{ClientID: p.cfg.ClientID}),
		})
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return p.known.Load(), nil
}

// logoutURL returns the address by which a browser ends its login at the provider (RP-Initiated Logout 1.0), or "".
func logoutURL(p *oidc.Provider, clientID string) (string, error) {
	var more struct {
		Logout string `json:"end_session_endpoint"`
	}
	if err := p.Claims(&more); err != nil || more.Logout == "" {
		return "", err
	}
	u, err := url.Parse(more.Logout)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return "", errors.New("end_session_endpoint is not a web address")
	}
	query := u.Query()
	query.Set("client_id", clientID)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// authURL is where the browser logs in.
func (d *discovery) authURL(f flow) string {
	return d.oauth.AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier))
}

// identify turns the code that the provider gave the browser into who that is.
func (p *provider) identify(ctx context.Context, code string, f flow) (identity, error) {
	d, err := p.discovered(ctx)
	if err != nil {
		return identity{}, err
	}
	ctx = oidc.ClientContext(ctx, p.cfg.Client)
	token, err := d.oauth.Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return identity{}, exchangeError(err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return identity{}, errors.New("token answer without id_token")
	}
	id, err := d.verify.Verify(ctx, raw)
	if err != nil {
		return identity{}, fmt.Errorf("verify id_token: %w", err)
	}
	if id.Nonce != f.Nonce {
		return identity{}, errors.New("id_token has another nonce")
	}
	var claims map[string]json.RawMessage
	if err := id.Claims(&claims); err != nil {
		return identity{}, fmt.Errorf("claims: %w", err)
	}
	if err := p.addUserInfo(ctx, d, token, id.Subject, claims); err != nil {
		return identity{}, err
	}
	return p.cfg.identity(claims), nil
}

// exchangeError tells a code that the provider does not take from a provider that does not answer. Neither has the code.
func exchangeError(err error) error {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok && refused.Response.StatusCode < http.StatusInternalServerError {
		return fmt.Errorf("exchange code: %s", refused.ErrorCode)
	}
	return away("exchange code", err)
}

// addUserInfo asks for the claims that an id_token leaves out, as many providers' do. Those of the id_token win.
func (p *provider) addUserInfo(ctx context.Context, d *discovery, token *oauth2.Token, subject string, claims map[string]json.RawMessage) error {
	_, named := claims[p.cfg.UsernameClaim]
	_, roles := claims[p.cfg.RoleClaim]
	if named && (roles || p.cfg.RoleClaim == "") || d.oidc.UserInfoEndpoint() == "" {
		return nil
	}
	info, err := d.oidc.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return away("user info", err)
	}
	if info.Subject != subject {
		return errors.New("user info is of another subject")
	}
	var more map[string]json.RawMessage
	if err := info.Claims(&more); err != nil {
		return fmt.Errorf("user info: %w", err)
	}
	for name, value := range more {
		if _, ok := claims[name]; !ok {
			claims[name] = value
		}
	}
	return nil
}

// maxUser bounds a user's name, in bytes: it has to fit into a cookie and into the database.
const maxUser = 255

// identity reads the claims. One without a name that can be taken is nobody.
func (cfg OIDC) identity(claims map[string]json.RawMessage) identity {
	var who identity
	if json.Unmarshal(claims[cfg.UsernameClaim], &who.name) != nil {
		return identity{} // no user
	}
	// Only from the end: "ro@example.comot" must not become root.
	who.name = strings.TrimSuffix(who.name, cfg.StripDomain)
	if len(who.name) > maxUser || strings.ContainsFunc(who.name, unicode.IsControl) || cfg.unverified(claims) {
		return identity{}
	}
	roles := texts(claims[cfg.RoleClaim])
	switch {
	case cfg.RootRole != "" && slices.Contains(roles, cfg.RootRole):
		who.role = Root
	case cfg.ReadOnlyRole != "" && slices.Contains(roles, cfg.ReadOnlyRole):
		who.role = ReadOnly
	}
	return who
}

// unverified reports whether users are known by an address that the provider says it has not verified: anybody may have
// entered it.
func (cfg OIDC) unverified(claims map[string]json.RawMessage) bool {
	verified, said := claims["email_verified"]
	return cfg.UsernameClaim == "email" && said && string(verified) != "true" && string(verified) != `"true"`
}

// texts reads a JSON text, or a list of them; nil for anything else.
func texts(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}
	}
	var all []string
	if json.Unmarshal(raw, &all) == nil {
		return all
	}
	return nil
}
