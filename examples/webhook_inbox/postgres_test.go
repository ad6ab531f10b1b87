//go:build unix

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// postgresForTest returns the address of an empty database, which is deleted when the test ends.
// The database is on the server of DATABASE_URL, whose user must be allowed to create databases, or
// on a server for this test only. If PostgreSQL is not installed, the test is skipped.
func postgresForTest(t *testing.T) string {
	t.Helper()
	server := os.Getenv("DATABASE_URL")
	if server == "" {
		server = startPostgres(t)
	}
	at, err := url.Parse(server)
	require.NoError(t, err, "DATABASE_URL")
	db, err := sql.Open("pgx", server)
	require.NoError(t, err)
	name := "webhook_inbox_" + strings.ToLower(rand.Text()[:10])
	_, err = db.ExecContext(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := db.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)") // t.Context has ended
		require.NoError(t, err)
		require.NoError(t, db.Close())
	})
	at.Path = "/" + name
	return at.String()
}

// startPostgres starts a server with a cluster of its own. The server listens only on a socket in a
// temporary directory.
func startPostgres(t *testing.T) string {
	t.Helper()
	bin := postgresBin()
	if bin == "" {
		t.Skip("PostgreSQL is not installed: DATABASE_URL is not set, and there is no initdb in PATH or /usr/lib/postgresql/*/bin")
	}
	// The name of t.TempDir may be too long for the path of a socket.
	dir, err := os.MkdirTemp("", "inbox-pg")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })

	var as *syscall.SysProcAttr
	if os.Getuid() == 0 { // the server refuses to run as root
		uid, gid := unprivileged(t)
		require.NoError(t, os.Chown(dir, int(uid), int(gid)))
		as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
	command := func(name string, args ...string) (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir, cmd.SysProcAttr = dir, as
		output := new(bytes.Buffer)
		cmd.Stdout, cmd.Stderr = output, output
		return cmd, output
	}
	data := filepath.Join(dir, "data")
	initdb, output := command("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	require.NoError(t, initdb.Run(), "initdb: %s", output)

	server, output := command("postgres", "-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories="+dir,
		"-c", "fsync=off", "-c", "max_connections=100")
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGINT) // the server ends its connections and then exits
		_ = server.Wait()
		if t.Failed() {
			t.Logf("the server said:\n%s", output)
		}
	})
	dsn := "postgres:///postgres?" + url.Values{"host": {dir}, "user": {"postgres"}}.Encode()
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	defer func() { _ = db.Close() }()
	require.Eventually(t, func() bool { return db.PingContext(t.Context()) == nil }, time.Minute, 50*time.Millisecond)
	return dsn
}

// postgresBin returns the directory of PostgreSQL's programs, "" if there is none. On Debian it is
// not in PATH.
func postgresBin() string {
	candidates, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	slices.Reverse(candidates)
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if initdb, err = filepath.EvalSymlinks(initdb); err == nil {
			candidates = append(candidates, initdb)
		}
	}
	for _, initdb := range candidates {
		bin := filepath.Dir(initdb)
		if _, err := os.Stat(filepath.Join(bin, "postgres")); err == nil {
			return bin
		}
	}
	return ""
}

// unprivileged returns the user that Debian's package creates, or nobody if there is none.
func unprivileged(t *testing.T) (uid, gid uint32) {
	t.Helper()
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	require.NoError(t, err)
	id := func(text string) uint32 {
		n, err := strconv.ParseUint(text, 10, 32)
		require.NoError(t, err)
		return uint32(n)
	}
	return id(u.Uid), id(u.Gid)
}
