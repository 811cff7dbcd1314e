package dbtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// script runs a server in the folder $1 with the programs of the folder $2. Its standard input is a pipe from the test
// process: it ends when that closes it or dies, in whatever way, so that no server and no folder is left behind.
const script = `
dir=$1 bin=$2
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
"$bin/initdb" -D data -A trust -U postgres --no-sync -E UTF8 --no-locale >log 2>&1 || { cat log; exit 1; }
"$bin/postgres" -D data -c listen_addresses= -k "$dir" -p 5432 -c max_connections=200 \
	-c fsync=off -c synchronous_commit=off -c full_page_writes=off >>log 2>&1 &
until "$bin/pg_isready" -q -h "$dir" -p 5432; do
	kill -0 $! || { cat log; exit 1; }
	sleep 0.05
done
echo ready
read -r _
kill -QUIT $!
wait
exit 0
`

// server is a running Postgres.
type server struct {
	dir    string
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout io.Closer
}

func startServer() (*server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return nil, err
	}
	// It outlives the test that happens to start it.
	cmd := exec.CommandContext(context.Background(), "/bin/sh", "-c", script, "sh", dir, bin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that Ctrl-C reaches the tests alone
	if err := asPostgres(cmd, dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s := &server{dir: dir, cmd: cmd, stdin: stdin, stdout: stdout}
	out := bufio.NewReader(stdout)
	if line, _ := out.ReadString('\n'); line != "ready\n" {
		rest, _ := io.ReadAll(out)
		return nil, errors.Join(fmt.Errorf("start postgres: %s%s", line, rest), s.stop())
	}
	return s, nil
}

// stop waits until the server has stopped and its folder is gone.
func (s *server) stop() error {
	return errors.Join(s.stdin.Close(), s.cmd.Wait())
}

// url returns the address of one of the server's databases.
func (s *server) url(database string) string {
	return "postgres://postgres@/" + database + "?host=" + s.dir + "&port=5432"
}

// programs returns the folder of initdb and pg_ctl.
func programs() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		path, err = filepath.EvalSymlinks(path)
		return filepath.Dir(path), err
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.Join(errors.New("no initdb: install postgresql, or run scripts/test, which does"), err)
	}
	return filepath.Dir(found[len(found)-1]), nil
}

// asPostgres makes cmd run as the user postgres if this process is root's: initdb refuses to run as root.
func asPostgres(cmd *exec.Cmd, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("%w: install postgresql, or run scripts/test, which does", err)
	}
	uid, err1 := strconv.Atoi(account.Uid)
	gid, err2 := strconv.Atoi(account.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(dir, uid, gid)
}
