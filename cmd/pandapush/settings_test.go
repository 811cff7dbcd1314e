package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pandapush/pandapush/streams/streamstest"
)

// TestWrongSettings starts servers with a setting that can't be: each says in one line which, what it held and what it
// takes, and has begun nothing.
func TestWrongSettings(t *testing.T) {
	const together = "DEV_APPLICATION_ID, DEV_KEY_ID and DEV_KEY_SECRET can only be set together"
	for _, row := range []struct {
		env  vars
		want string
	}{
		{vars{"PORT": "http"}, `PORT is "http": it takes a port number, 0 to 65535`},
		{vars{"PORT": "65536"}, `PORT is "65536": it takes a port number, 0 to 65535`},
		{vars{"LISTEN": "localhost"}, `LISTEN is "localhost": it takes an address and a port, like "127.0.0.1:3000" or ":3000"`},
		{vars{"MIGRATE": "yes"}, `MIGRATE is "yes": it takes true or false`},
		{vars{"DRAIN_SECONDS": "0"}, `DRAIN_SECONDS is "0": it takes a whole number, 1 or more`},
		{vars{"CONNECT_TIMEOUT": "30"}, `CONNECT_TIMEOUT is "30": it takes a time with its unit, like "30s", "5m" or "24h"`},
		{vars{"MAX_MESSAGE_BYTES": "128k"}, `MAX_MESSAGE_BYTES is "128k": it takes a whole number, 1 or more`},
		{vars{"HISTORY_LENGTH": "many"}, `HISTORY_LENGTH is "many": it takes a whole number, 1 or more`},
		{vars{"HISTORY_AGE": "-1h"}, `HISTORY_AGE is "-1h": it takes a time with its unit, like "30s", "5m" or "24h"`},
		{vars{"CACHE_TTL_MS": "5m"}, `CACHE_TTL_MS is "5m": it takes a number of milliseconds, 1 or more`},
		{vars{"KEY_STATS_INTERVAL_MS": "0"}, `KEY_STATS_INTERVAL_MS is "0": it takes a number of milliseconds, 1 or more`},
		{vars{"LOG_LEVEL": "loud"}, `LOG_LEVEL is "loud": it takes debug, info, warn or error`},
		{vars{"LOG_FORMAT": "xml"}, `LOG_FORMAT is "xml": it takes text or json`},
		{vars{"DATA_DIR": "/dev/null/x"}, `DATA_DIR is "/dev/null/x": it takes a folder that can be made and written to`},
		{vars{"DATABASE": "mysql"}, `DATABASE is "mysql": it takes sqlite or postgres`},
		{vars{"TRUSTED_PROXIES": "10.0.0.1/33"}, `TRUSTED_PROXIES is "10.0.0.1/33": it takes a list of networks, like "10.0.0.0/8,2001:db8::/32"`},
		{vars{"TOKEN_EXPIRY": "never"}, `TOKEN_EXPIRY is "never": it takes subscribe or enforce`},
		{vars{"DATABASE_PORT": "x"}, `DATABASE_PORT is "x": it takes a port number, 0 to 65535`},
		{vars{"DATABASE_PASSWORD_FILE": "/nope"}, `DATABASE_PASSWORD_FILE is "/nope": it takes the path of a file that can be read (no such file or directory)`},
		{vars{"DATABASE_PASSWORD_FILE": "/dev/null"}, `DATABASE_PASSWORD_FILE is "/dev/null": it takes the path of a file that has the secret in it; this one is empty`},
		{vars{"DATABASE_PASSWORD_FILE": "/nope", "DATABASE_PASSWORD": "xyzzy"}, `DATABASE_PASSWORD_FILE is "/nope": it takes DATABASE_PASSWORD not to be set as well`},
		{vars{"DATABASE": "postgres", "DATABASE_URL": "postgres://me:xyzzy@host:port/name"}, "DATABASE_URL is wrong: it takes a URL like postgres://user:password@host:5432/name"},
		{vars{"REDIS_HOSTS": "one,two"}, `REDIS_HOSTS is "one,two": it takes a list of servers, like "one:6379,two:6379"`},
		{vars{"REDIS_TLS": "maybe"}, `REDIS_TLS is "maybe": it takes true or false`},
		{vars{"REDIS_PREFIX": "a{b}"}, `REDIS_PREFIX is "a{b}": it takes letters, digits and _-.`},
		{vars{"REDIS_URL_ENV_VARS": "ONE,TWO", "ONE": "tcp://one:6379"}, `REDIS_URL_ENV_VARS is "TWO": it takes names of environment variables that are set`},
		{vars{"REDIS_URL_ENV_VARS": "ONE", "ONE": "http://:xyzzy@one"}, "ONE is wrong: it takes a URL like redis://host:6379; rediss, unix and tcp are fine too"},
		{vars{"REDIS_SENTINEL_MASTER": "main"}, "REDIS_SENTINELS and REDIS_SENTINEL_MASTER can only be set together"},
		{vars{"REDIS_CLUSTER": "one:1", "REDIS_HOSTS": "two:2"}, "only one of REDIS_HOSTS, REDIS_URL_ENV_VARS, REDIS_SENTINELS and REDIS_CLUSTER can be set"},
		{vars{"DEV_KEY_SECRET": ""}, together},
		{vars{"DEV_APPLICATION_ID": "dev-app"}, `DEV_APPLICATION_ID is "dev-app": it takes letters and digits`},
		{vars{"EXAMPLES": "true", "DEV_APPLICATION_ID": "", "DEV_KEY_ID": "", "DEV_KEY_SECRET": ""}, "EXAMPLES can only be set together with DEV_APPLICATION_ID, DEV_KEY_ID and DEV_KEY_SECRET"},
	} {
		t.Run(row.want, func(t *testing.T) {
			_, log, err := command(t, settings(t).with(row.env), "serve")
			if err == nil || err.Error() != row.want {
				t.Errorf("serve said\n%v\nwant\n%s", err, row.want)
			}
			if log != "" {
				t.Errorf("it logged %s", log)
			}
		})
	}
}

// TestFlagsWinOverVariables gives a setting both ways.
func TestFlagsWinOverVariables(t *testing.T) {
	env := settings(t)
	startNode(t, env.with(vars{"LISTEN": "127.0.0.1:1"}), "--listen", "127.0.0.1:0")
}

// TestUsedPort listens where somebody else does.
func TestUsedPort(t *testing.T) {
	env := settings(t)
	n := startNode(t, env)
	taken := strings.TrimPrefix(n.url, "http://")
	_, _, err := command(t, settings(t).with(vars{"LISTEN": taken}), "serve")
	if err == nil || !strings.Contains(err.Error(), taken+": bind: address already in use") {
		t.Errorf("serve said %v", err)
	}
}

// TestRedisByTCP reaches a Redis that wants a password under the names that deployments of the Node version use.
func TestRedisByTCP(t *testing.T) {
	address := redisByTCP(t, "xyzzy")
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("xyzzy\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, env := range []vars{
		{"REDIS_HOSTS": address, "REDIS_PASSWORD_FILE": file},
		{"REDIS_URL_ENV_VARS": "REDIS_1_PORT", "REDIS_1_PORT": "tcp://" + address, "REDIS_PASSWORD": "xyzzy"},
		{"REDIS_URL_ENV_VARS": "ONE", "ONE": "redis://:xyzzy@" + address},
		{"REDIS_HOSTS": address, "REDIS_PASSWORD": "xyzzy", "REDIS_URL_ENV_VARS": "IGNORED"},
	} {
		n := startNode(t, settings(t).with(env))
		n.mustPublish(t, devKey.sign, "/devapp/public/a", `{}`)
	}
	_, _, err := command(t, settings(t).with(vars{"REDIS_HOSTS": address, "REDIS_PASSWORD": "wrong"}), "serve")
	if err == nil || !strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "wrong ") {
		t.Errorf("with a wrong password, serve said %v", err)
	}
}

// redisByTCP starts a Redis that wants a password and returns its address.
func redisByTCP(t *testing.T, password string) (address string) {
	t.Helper()
	client := streamstest.Start(t, streamstest.Options{}).Client()
	eventually(t, "Redis gets a free port", func() bool {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address = listener.Addr().String()
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(address)
		return client.ConfigSet(t.Context(), "port", port).Err() == nil
	})
	if err := client.ConfigSet(t.Context(), "requirepass", password).Err(); err != nil {
		t.Fatal(err)
	}
	return address
}

// TestDatabasePassword reads the password from a file and sends it with the other settings to a server that asks for it.
func TestDatabasePassword(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan map[string]string, 1)
	go func() {
		defer close(got)
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			if login := refuseLogin(conn); login != nil {
				select {
				case got <- login:
				default: // pgx tries more than once
				}
			}
		}
	}()
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("p@ss/word:%\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err = command(t, vars{
		"DATABASE": "postgres", "DATABASE_ADDRESS": host, "DATABASE_PORT": port, "DATABASE_NAME": "main",
		"DATABASE_USERNAME": "me", "DATABASE_PASSWORD_FILE": file,
	}, "app", "list")
	if err == nil || strings.Contains(err.Error(), "p@ss") {
		t.Errorf("app list said %v", err)
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
	if login := <-got; login["user"] != "me" || login["database"] != "main" || login["password"] != "p@ss/word:%" {
		t.Errorf("it logged in with %v", login)
	}
}

// refuseLogin speaks as much of Postgres' protocol as it takes to be told a password, which it then refuses.
func refuseLogin(conn net.Conn) (login map[string]string) {
	defer func() { _ = conn.Close() }()
	backend := pgproto3.NewBackend(conn, conn)
	for {
		start, err := backend.ReceiveStartupMessage()
		if err != nil {
			return nil
		}
		if start, ok := start.(*pgproto3.StartupMessage); ok {
			login = start.Parameters
			break
		}
		if _, err := conn.Write([]byte("N")); err != nil { // no TLS
			return nil
		}
	}
	backend.Send(&pgproto3.AuthenticationCleartextPassword{})
	if backend.Flush() != nil || backend.SetAuthType(pgproto3.AuthTypeCleartextPassword) != nil {
		return nil
	}
	if m, err := backend.Receive(); err == nil {
		if m, ok := m.(*pgproto3.PasswordMessage); ok {
			login["password"] = m.Password
		}
	}
	backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: "no"})
	_ = backend.Flush() // the client may be gone
	return login
}

// TestNothingSecretIsLogged has a server log all that it can, does what makes it log, and looks for what must not be there.
func TestNothingSecretIsLogged(t *testing.T) {
	env := shared(t, settings(t))
	redis := streamstest.Start(t, streamstest.Options{})
	secrets := []string{"xyzzydev", "xyzzydatabase", "xyzzyredis", "xyzzypayload"}
	if err := redis.Client().ConfigSet(t.Context(), "requirepass", "xyzzyredis").Err(); err != nil {
		t.Fatal(err)
	}
	env = env.with(vars{
		"TEST_REDIS": redis.URL(), "REDIS_PASSWORD": "xyzzyredis", "DATABASE_PASSWORD": "xyzzydatabase", "DEV_KEY_SECRET": "xyzzydev",
		"LOG_LEVEL": "debug", "MIGRATE": "true",
	})
	n := startNode(t, env)
	key := keyPair{"devkey", "xyzzydev"}
	token := mustCommand(t, env, "token", "/devapp/private/**", "--key", "devkey", "--pub", "--sub")
	secrets = append(secrets, token)

	subscriber := n.dial(t)
	secrets = append(secrets, subscriber.clientID)
	subscriber.subscribe(key, "/devapp/private/a")
	if r, err := n.send(t.Context(), http.MethodPost, "/channel/devapp/private/a?token="+token, `{"text":"xyzzypayload"}`, nil); err != nil || r.status != http.StatusOK {
		t.Fatal(r, err)
	}
	subscriber.delivery()
	n.publish(t, keyPair{"devkey", "xyzzywrong"}.sign, "/devapp/private/a", `{}`)
	n.publish(t, key.sign, "/devapp/private/a", `{"text":"xyzzypayload`)
	n.get(t, "/push/"+subscriber.clientID)
	n.get(t, "/nope?token="+token)
	subscriber.send(`{"channel":"/meta/subscribe","clientId":"` + subscriber.clientID + `","subscription":"/devapp/private/a","ext":{"auth":{"token":"` + token + `x"}}}`)
	subscriber.await("a refusal", func(m wireMessage) bool { return m.Error != "" })
	subscriber.send(`{"xyzzypayload`)
	subscriber.await("a refusal", func(m wireMessage) bool { return m.Error != "" })

	redis.Kill()
	n.publish(t, key.sign, "/devapp/private/a", `{"text":"xyzzypayload"}`)
	n.get(t, "/readyz")
	n.stderr.await(t, "readiness check fails")
	n.stop()
	if err := n.wait(t); err != nil {
		t.Error("serve:", err)
	}
	for _, output := range []string{n.stderr.String(), n.stdout.String()} {
		for _, secret := range append(secrets, "xyzzywrong") {
			if at := strings.Index(output, secret); at >= 0 {
				t.Errorf("%q is in the output: …%s…", secret, output[max(0, at-200):at+len(secret)])
			}
		}
	}
	checkLog(t, n.stderr.lines())
}

// checkLog checks that a log at level debug has a JSON object a line, with what each of them needs.
func checkLog(t *testing.T, lines []string) {
	t.Helper()
	requests := 0
	for _, line := range lines {
		var entry struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Time == "" || entry.Level == "" || entry.Msg == "" {
			t.Errorf("in the log: %s", strconv.Quote(line))
		}
		if entry.Msg == "request" {
			requests++
		}
	}
	if requests == 0 {
		t.Error("the log has no requests: it was not at level debug")
	}
}
