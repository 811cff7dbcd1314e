package api

import (
	"net/http"
	"strings"

	"github.com/pandapush/pandapush"
)

// credentialOf reads a request's credential: the token of its query, or else its Authorization header. The error is
// errUnauthorized if there is none in a form that is known; whether it is any good is for pandapush.Authority to say.
func credentialOf(r *http.Request) (pandapush.Credential, error) {
	if r.URL.RawQuery != "" {
		if token := r.URL.Query().Get("token"); token != "" {
			return pandapush.Credential{Token: token, Given: true}, nil
		}
	}
	if id, secret, ok := r.BasicAuth(); ok {
		return pandapush.Credential{Key: pandapush.KeyID(id), Secret: pandapush.Secret(secret), Given: true}, nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if token != "" && (strings.EqualFold(scheme, "Token") || strings.EqualFold(scheme, "Bearer")) {
		return pandapush.Credential{Token: token, Given: true}, nil
	}
	return pandapush.Credential{}, errUnauthorized
}

// credentialIfAny is credentialOf for what may be allowed without one: the zero Credential then, which is none.
func credentialIfAny(r *http.Request) pandapush.Credential {
	credential, err := credentialOf(r)
	if err != nil {
		return pandapush.Credential{Given: r.Header.Get("Authorization") != ""}
	}
	return credential
}
