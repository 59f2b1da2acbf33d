package main

import (
	"errors"
	"io"
	"log/slog"
	"strings"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/trace"
)

// ecsVersion is the version of the Elastic Common Schema whose names the format "ecs" uses.
const ecsVersion = "8.11.0"

func newLog(w io.Writer, cfg config.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.Level}
	switch cfg.Format {
	case config.Text:
		return slog.New(trace.Logged(slog.NewTextHandler(w, options)))
	case config.ECS:
		options.ReplaceAttr = ecsAttribute
		return slog.New(trace.Logged(slog.NewJSONHandler(w, options).WithAttrs(ecsConstants())))
	}
	return slog.New(trace.Logged(slog.NewJSONHandler(w, options)))
}

// ecsConstants returns what every record of the format "ecs" has.
func ecsConstants() []slog.Attr {
	var attributes []slog.Attr
	for _, a := range [][2]string{{"ecs.version", ecsVersion}, {"service.name", "azure-partner-connector"}, {"service.version", version}} {
		attributes = append(attributes, slog.String(a[0], a[1]))
	}
	return attributes
}

// ecsAttribute returns an attribute of a record with its name in the Elastic Common Schema. What has no name there is a label.
func ecsAttribute(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 || strings.Contains(a.Key, ".") {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		a.Key = "@timestamp"
	case slog.LevelKey:
		a.Key, a.Value = "log.level", slog.StringValue(strings.ToLower(a.Value.String()))
	case slog.MessageKey:
		a.Key = "message"
	case "err":
		a.Key = "error.message"
	case "component":
		a.Key = "log.logger"
	default:
		a.Key = "labels." + a.Key
	}
	return a
}

// A loggedError is an error that the log has, so that main does not print it again.
type loggedError struct{ error }

func (e loggedError) Unwrap() error { return e.error }

// cannotStart logs why the connector does not start, in the configured format.
func cannotStart(log *slog.Logger, err error) error {
	log.Error("the connector cannot start", "err", err)
	return loggedError{err}
}

// logged reports whether the log has an error.
func logged(err error) bool {
	var e loggedError
	return errors.As(err, &e)
}
