// Package admin is what operators and the teams of applications use: the admin API below /admin/api, the logins, and the
// place where the web UI is served.
//
//	openapi.json  the API, for people and for the UI's types
package admin
