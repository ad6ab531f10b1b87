// Command webhook_inbox receives IDnGO's webhooks on any number of machines and
// acts on every event exactly once. An event may be delivered several times and
// in any order, and a machine may die at any moment.
//
// The receiver verifies a delivery, stores it as a job that is unique by the key
// of the event, and then answers it. A worker on any machine acts on it in one
// transaction, which records the key, makes the effect and ends the job. The jobs
// are [River]'s: in PostgreSQL if DATABASE_URL is set, else in a SQLite file.
//
// [River]: https://riverqueue.com
package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/idngo-go/idngo"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
	_ "modernc.org/sqlite"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("webhook_inbox: ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, act)
	stop()
	if err != nil {
		log.Fatal(strings.Join(strings.Fields(err.Error()), " ")) // the error on one line
	}
}

// act is the work of your service for an event, in the transaction that ends the
// job of the event. If it returns an error, the transaction is undone and tried
// again after 1 s, 16 s, 81 s and so on, 25 times over three weeks.
//
// A call of another service cannot be part of the transaction. Insert a job of its
// own for it here, or make it idempotent: event.Key() is the same each time.
func act(ctx context.Context, exec execFunc, event *idngo.WebhookEvent) error {
	// One endpoint may get events about applicants too, and unknown types. After an
	// error the service would only send them again.
	if event.ApplicantActionID == "" {
		return nil
	}
	// Compare the ids of the action and the applicant with those that you have
	// stored. This example stores every action.
	log.Printf("action %s: %s %s", event.ApplicantActionID, event.Type, event.ReviewResult.ReviewAnswer)
	happened := event.Time().UTC().Format("2006-01-02T15:04:05.000Z")
	answer := string(event.ReviewResult.ReviewAnswer)
	if _, err := exec(ctx, `INSERT INTO action_history (event_key, action_id, type, answer, happened_at) VALUES ($1, $2, $3, $4, $5)`,
		event.Key(), event.ApplicantActionID, string(event.Type), answer, happened); err != nil {
		return err
	}
	// Events arrive in any order. An event that is older than the stored one
	// changes nothing. A submit and a review may have the same time: then any
	// event replaces pending, and the review replaces any event.
	_, err := exec(ctx, `INSERT INTO action_state (action_id, type, answer, happened_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (action_id) DO UPDATE SET type = excluded.type, answer = excluded.answer, happened_at = excluded.happened_at
		WHERE excluded.happened_at > action_state.happened_at OR excluded.happened_at = action_state.happened_at
			AND (action_state.type = 'applicantActionPending' OR excluded.type = 'applicantActionReviewed')`,
		event.ApplicantActionID, string(event.Type), answer, happened)
	return err
}

// These are the tables of act, and the table that makes it act once. River creates its own tables.
var tables = []string{
	// Only the key is needed. Delete a row when nobody will resend its event any more, not even by
	// hand.
	`CREATE TABLE IF NOT EXISTS inbox_event (event_key TEXT PRIMARY KEY)`,
	// This table deliberately has no unique column, so that tests see an effect
	// that happened twice.
	`CREATE TABLE IF NOT EXISTS action_history (event_key TEXT NOT NULL, action_id TEXT NOT NULL, type TEXT NOT NULL,
		answer TEXT NOT NULL, happened_at TEXT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS action_state (action_id TEXT PRIMARY KEY, type TEXT NOT NULL,
		answer TEXT NOT NULL, happened_at TEXT NOT NULL)`,
}

// eventArgs is an event as a job.
type eventArgs struct {
	Key string `json:"key" river:"unique"`
	// Body has the bytes of the delivery, in base64 in the JSON of the job.
	// PostgreSQL would reformat or refuse them as JSON.
	Body []byte `json:"body"`
}

func (eventArgs) Kind() string { return "idngo_webhook" }

// InsertOpts makes a job unique by its key while it is in the table, in any state.
// By default River ignores jobs that were given up.
func (eventArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: rivertype.JobStates()}}
}

// receive returns the handler of deliveries. It answers 200 when the job is
// committed. After any other answer the service sends the event again.
func receive[TTx any](verifier *idngo.WebhookVerifier, client *river.Client[TTx]) http.Handler {
	return verifier.Handler(func(ctx context.Context, event *idngo.WebhookEvent) error {
		// The service waits 5 s.
		ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
		defer cancel()
		if _, err := client.Insert(ctx, eventArgs{Key: event.Key(), Body: event.Raw}, nil); err != nil {
			return fmt.Errorf("event %s not stored: %w", event.Key(), err) // the verifier logs it
		}
		return nil
	})
}

type actFunc func(ctx context.Context, exec execFunc, event *idngo.WebhookEvent) error

type worker[TTx any] struct {
	river.WorkerDefaults[eventArgs]
	db  database[TTx]
	act actFunc
}

// Work acts on an event, unless that was done before. The row in inbox_event, in
// the same transaction as the effect, makes sure of that. River alone does not: it
// deletes a job a day after its end, so that an event resent later is a new job.
// It also starts a job again that seems stuck, while a slow machine may still be
// working on it.
func (w *worker[TTx]) Work(ctx context.Context, job *river.Job[eventArgs]) error {
	event, err := idngo.ParseWebhook(job.Args.Body)
	if err != nil {
		return river.JobCancel(err) // another attempt would fail too
	}
	return w.db.inTx(ctx, func(tx TTx, exec execFunc) error {
		// If another machine works on the same event, this waits for it.
		isNew, err := exec(ctx, `INSERT INTO inbox_event (event_key) VALUES ($1) ON CONFLICT DO NOTHING`, job.Args.Key)
		if err != nil {
			return err
		}
		if isNew == 1 {
			if err := w.act(ctx, exec, event); err != nil {
				return err
			}
		}
		// This comes last: it locks the row of the job until the commit, and a
		// delivery of the same event waits for that.
		_, err = river.JobCompleteTx[riverdriver.Driver[TTx]](ctx, tx, job)
		return err
	})
}

// run parses the flags and serves until ctx ends.
func run(ctx context.Context, act actFunc) error {
	set := settings{act: act}
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "webhook_inbox receives webhooks on any number of machines "+
			"and acts on each event exactly once.\n\n"+
			"The webhooks' secret comes from IDNGO_WEBHOOK_SECRET, a PostgreSQL database from DATABASE_URL. Flags:\n")
		flag.PrintDefaults()
	}
	flag.StringVar(&set.addr, "addr", cmp.Or(os.Getenv("IDNGO_WEBHOOK_ADDR"), "127.0.0.1:8080"), "`address` to listen on (IDNGO_WEBHOOK_ADDR)")
	flag.IntVar(&set.workers, "workers", 10, "how many events are acted on at once")
	flag.DurationVar(&set.jobTimeout, "job-timeout", 30*time.Second,
		"how long acting on an event may take; another machine restarts the job of a dead one after twice this time")
	file := flag.String("sqlite", cmp.Or(os.Getenv("SQLITE_FILE"), "webhook_inbox.sqlite"),
		"database `file` when DATABASE_URL is not set (SQLITE_FILE)")
	flag.Parse()

	// While a secret is being changed, add idngo.WithPreviousSecrets.
	var err error
	refused := func(r *http.Request, err error) { slog.ErrorContext(r.Context(), "webhook refused", "error", err) }
	set.verifier, err = idngo.NewWebhookVerifier(idngo.Secret(os.Getenv("IDNGO_WEBHOOK_SECRET")), idngo.WithWebhookErrors(refused))
	if err != nil {
		return fmt.Errorf("IDNGO_WEBHOOK_SECRET: %w", err)
	}
	if dsn := os.Getenv("DATABASE_URL"); dsn != "" {
		db, err := openPostgres(ctx, dsn, set.workers)
		if err != nil {
			return err
		}
		defer db.pool.Close()
		return serve(ctx, db, set)
	}
	db, err := openSQLite(*file)
	if err != nil {
		return err
	}
	defer func() { _ = db.pool.Close() }()
	return serve(ctx, db, set)
}

type settings struct {
	addr       string
	workers    int
	jobTimeout time.Duration
	verifier   *idngo.WebhookVerifier
	act        actFunc
}

// serve receives and works until ctx ends.
func serve[TTx any](ctx context.Context, db database[TTx], set settings) error {
	if err := db.setup(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker[TTx]{db: db, act: set.act})
	client, err := river.NewClient(db.driver(), &river.Config{
		Logger:     slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Queues:     map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: set.workers}},
		Workers:    workers,
		JobTimeout: set.jobTimeout,
		// The job of a machine that died stays "running". Every 30 s one machine
		// starts jobs again that have run longer than this.
		RescueStuckJobsAfter: 2 * set.jobTimeout,
		// When ctx ends, no new job starts. Running jobs get this much time.
		SoftStopTimeout: 10 * time.Second,
	})
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", set.addr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	if err := client.Start(ctx); err != nil {
		cancel()
		return errors.Join(err, listener.Close())
	}
	defer func() { cancel(); <-client.Stopped() }()

	server := &http.Server{Handler: receive(set.verifier, client), ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	finished := make(chan error, 1)
	context.AfterFunc(ctx, func() { // deliveries that have begun are still stored
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		finished <- server.Shutdown(late)
	})
	log.Printf("listening on http://%s as %s", listener.Addr(), client.ID())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-finished
}

// A database holds jobs and effects, so that one transaction can change both.
type database[TTx any] interface {
	driver() riverdriver.Driver[TTx]
	setup(ctx context.Context) error
	inTx(ctx context.Context, do func(tx TTx, exec execFunc) error) error
}

// An execFunc executes a statement and returns how many rows it changed. PostgreSQL and SQLite both
// accept $1, $2 and ON CONFLICT.
type execFunc func(ctx context.Context, query string, args ...any) (int64, error)

// migrate creates the tables of River and those of this program.
func migrate[TTx any](ctx context.Context, driver riverdriver.Driver[TTx], exec execFunc) error {
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	for _, table := range tables {
		if _, err := exec(ctx, table); err != nil {
			return err
		}
	}
	return nil
}

// postgres opens a database for any number of machines.
type postgres struct{ pool *pgxpool.Pool }

func openPostgres(ctx context.Context, dsn string, workers int) (*postgres, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("DATABASE_URL is not the address of a PostgreSQL database") // err may show the password
	}
	// Each worker holds a connection during its work. River needs a few more, and deliveries must not
	// wait for them.
	config.MaxConns = max(config.MaxConns, int32(min(workers, 1000))+6)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &postgres{pool}, nil
}

func (db *postgres) driver() riverdriver.Driver[pgx.Tx] { return riverpgxv5.New(db.pool) }

// setup makes and migrates the tables. In production, make it a step of your
// deployment. Here each start does it, under a lock, since machines that start
// together must not both do it.
func (db *postgres) setup(ctx context.Context) error {
	return db.inTx(ctx, func(_ pgx.Tx, exec execFunc) error {
		if _, err := exec(ctx, `SELECT pg_advisory_xact_lock(7205759403792793600)`); err != nil {
			return err
		}
		return migrate(ctx, db.driver(), exec)
	})
}

func (db *postgres) inTx(ctx context.Context, do func(pgx.Tx, execFunc) error) error {
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		return do(tx, func(ctx context.Context, query string, args ...any) (int64, error) {
			tag, err := tx.Exec(ctx, query, args...)
			return tag.RowsAffected(), err
		})
	})
}

// sqlite opens a database for one machine.
type sqlite struct{ pool *sql.DB }

func openSQLite(file string) (*sqlite, error) {
	// A commit survives a loss of power (FULL). Other programs may read at the same
	// time (WAL).
	options := url.Values{"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_busy_timeout": {"5000"}, "_txlock": {"immediate"}}
	pool, err := sql.Open("sqlite", file+"?"+options.Encode())
	if err != nil {
		return nil, err
	}
	// SQLite allows one writer at a time. With one connection writers wait here
	// instead of failing there, as River requires.
	pool.SetMaxOpenConns(1)
	return &sqlite{pool}, nil
}

func (db *sqlite) driver() riverdriver.Driver[*sql.Tx] { return riversqlite.New(db.pool) }

func (db *sqlite) setup(ctx context.Context) error {
	return migrate(ctx, db.driver(), func(ctx context.Context, query string, args ...any) (int64, error) {
		_, err := db.pool.ExecContext(ctx, query, args...)
		return 0, err
	})
}

func (db *sqlite) inTx(ctx context.Context, do func(*sql.Tx, execFunc) error) error {
	tx, err := db.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after the commit it does nothing
	if err := do(tx, func(ctx context.Context, query string, args ...any) (int64, error) {
		result, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return 0, err
		}
		return result.RowsAffected()
	}); err != nil {
		return err
	}
	return tx.Commit()
}
