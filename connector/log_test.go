package main_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestServe_LogsWhyItDoesNotStart looks at what an operator's log reader gets, for problems of the configuration and for those
// found later.
func TestServe_LogsWhyItDoesNotStart(t *testing.T) {
	for format, fields := range map[string]struct{ message, level, cause, at string }{
		"json": {"msg", "level", "err", "time"},
		"ecs":  {"message", "log.level", "error.message", "@timestamp"},
	} {
		for name, spoiled := range map[string]struct{ setting, want string }{
			"the configuration": {"CONNECTOR_RENEWAL__EVERY=2400h", "renewal.every"},
			"the keys":          {"CONNECTOR_KEYS__FILE=nowhere.keys", "nowhere.keys"},
			"the traces":        {"OTEL_EXPORTER_OTLP_ENDPOINT=collector", "OTEL_EXPORTER_OTLP_ENDPOINT"},
			"the database":      {"CONNECTOR_DATABASE__PATH=.", "is a directory"},
		} {
			t.Run(format+" of "+name, func(t *testing.T) {
				c := newTerminal(t)
				c.environ = append(c.environ, "CONNECTOR_LOG__FORMAT="+format, spoiled.setting)
				got := c.run("serve", "--config", c.configured())
				c.check("serve", got, 1)
				lines := strings.Split(strings.TrimSpace(got.stderr), "\n")
				var record map[string]string
				if err := json.Unmarshal([]byte(lines[len(lines)-1]), &record); err != nil {
					t.Fatalf("the last line is no record: %v\n%s", err, got.stderr)
				}
				if record[fields.message] != "the connector cannot start" || !strings.EqualFold(record[fields.level], "error") || !strings.Contains(record[fields.cause], spoiled.want) {
					t.Errorf("the last record is %v, want an error with %q", record, spoiled.want)
				}
				if _, err := time.Parse(time.RFC3339Nano, record[fields.at]); err != nil {
					t.Errorf("the record's time: %v", err)
				}
				if n := strings.Count(got.stderr, spoiled.want); n != 1 {
					t.Errorf("connector serve tells of the problem %d times, want once:\n%s", n, got.stderr)
				}
			})
		}
	}
}

func TestServe_LogsInTheElasticCommonSchema(t *testing.T) {
	c := newTerminal(t)
	c.environ = append(c.environ, "CONNECTOR_LOG__FORMAT=ecs", "CONNECTOR_KEYS__FILE=nowhere.keys")
	got := c.run("serve", "--config", c.configured())
	c.check("serve", got, 1)
	for line := range strings.Lines(got.stderr) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%q is no record: %v", line, err)
		}
		for _, name := range []string{"@timestamp", "log.level", "message", "ecs.version", "service.name", "service.version"} {
			if record[name] == nil {
				t.Errorf("%q has no %s", line, name)
			}
			delete(record, name)
		}
		for name := range record {
			if !strings.HasPrefix(name, "labels.") && !strings.HasPrefix(name, "log.") && !strings.HasPrefix(name, "error.") {
				t.Errorf("%q has %s, which is no name of the Elastic Common Schema", line, name)
			}
		}
	}
}
