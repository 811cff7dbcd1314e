// Command pandapush is the whole service and its tools in one binary.
//
//	main.go       run, the program: parse, then one command
//	config.go     the settings, by subject; every flag is an environment variable too
//	config_admin.go  those of administration and logins
//	settings.go   their types and what is said of a wrong one
//	serve.go      serve: build, run, drain and close, in the order of the data flow; the only place that knows all packages
//	serve_admin.go  serve's admin API, UI and live numbers
//	migrate.go    migrate up, down, status, version
//	admin.go      app and key: the database, then a notice to the running servers; app_change.go and key_change.go too
//	audit.go      audit: who changed what
//	config_show.go  config: the settings as they are
//	sessions.go   sessions: every client of all nodes, and an end to one
//	presence.go   presence: who is in a room
//	token.go      token: mint one
//	remote.go     publish, subscribe, health: clients of a running server
//	loadtest.go   loadtest: many of them; loadtest/ does it
//
// Commands print what they are asked for on standard output and everything else on standard error, and exit with 1 after
// one line that says what was wrong.
package main
