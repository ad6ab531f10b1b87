package faultnet

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
)

// Log is a log that keeps its lines. The zero value is ready.
type Log struct {
	// CountOnly means that no line is kept. Only Count reports them.
	CountOnly bool

	mu       sync.Mutex
	count    int
	contexts []context.Context
	// Lines are the lines written so far. Read them when no call is under way.
	Lines []string
}

// Write keeps a line.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	if !l.CountOnly {
		l.Lines = append(l.Lines, string(p))
	}
	return len(p), nil
}

// Logger returns a logger that writes text lines of every level.
func (l *Log) Logger() *slog.Logger {
	return slog.New(logHandler{l, []slog.Handler{slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})}})
}

// TextAndJSONLogger returns a logger that writes each record twice, as text and
// as JSON.
func (l *Log) TextAndJSONLogger() *slog.Logger {
	return slog.New(logHandler{l, []slog.Handler{slog.NewTextHandler(l, nil), slog.NewJSONHandler(l, nil)}})
}

// Count returns how many lines were written.
func (l *Log) Count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// Contexts returns the contexts of the records, in their order.
func (l *Log) Contexts() []context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]context.Context(nil), l.contexts...)
}

// With returns the lines that contain all of texts.
func (l *Log) With(texts ...string) (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
next:
	for _, line := range l.Lines {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue next
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// logHandler hands a record to several handlers and keeps its context.
type logHandler struct {
	log      *Log
	handlers []slog.Handler
}

func (h logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.handlers[0].Enabled(ctx, level)
}

func (h logHandler) Handle(ctx context.Context, record slog.Record) error {
	if !h.log.CountOnly {
		h.log.mu.Lock()
		h.log.contexts = append(h.log.contexts, ctx)
		h.log.mu.Unlock()
	}
	var errs []error
	for _, handler := range h.handlers {
		errs = append(errs, handler.Handle(ctx, record))
	}
	return errors.Join(errs...)
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.each(func(handler slog.Handler) slog.Handler { return handler.WithAttrs(attrs) })
}

func (h logHandler) WithGroup(name string) slog.Handler {
	return h.each(func(handler slog.Handler) slog.Handler { return handler.WithGroup(name) })
}

// each returns a logHandler with each of its handlers changed.
func (h logHandler) each(change func(slog.Handler) slog.Handler) slog.Handler {
	changed := logHandler{log: h.log}
	for _, handler := range h.handlers {
		changed.handlers = append(changed.handlers, change(handler))
	}
	return changed
}
