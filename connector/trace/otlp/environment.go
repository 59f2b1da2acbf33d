package otlp

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"azure-partner-connector/connector/secret"
)

const (
	defaultEndpoint = "http://localhost:4318"
	tracesPath      = "/v1/traces"
	defaultTimeout  = 10 * time.Second
)

// samplers are the values of OTEL_TRACES_SAMPLER.
func samplers() []string {
	return []string{"", "always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}
}

// An environment returns variables.
type environment func(name string) string

// exporter returns the variable of the exporter for traces, or else the one for all signals.
func (e environment) exporter(name string) (value, variable string) {
	for _, variable := range []string{"OTEL_EXPORTER_OTLP_TRACES_" + name, "OTEL_EXPORTER_OTLP_" + name} {
		if value := strings.TrimSpace(e(variable)); value != "" {
			return value, variable
		}
	}
	return "", ""
}

// FromEnvironment returns what the variables of OpenTelemetry say, which environ returns by name, and whether traces are to be
// sent: only if one of them names an address or the exporter. What they ask for and this program cannot do is an error.
func FromEnvironment(environ func(name string) string) (cfg Config, on bool, err error) {
	e := environment(environ)
	exporter := strings.ToLower(strings.TrimSpace(e("OTEL_TRACES_EXPORTER")))
	endpoint, variable := e.exporter("ENDPOINT")
	switch {
	case strings.EqualFold(strings.TrimSpace(e("OTEL_SDK_DISABLED")), "true"), exporter == "none", exporter == "" && endpoint == "":
		return Config{}, false, nil
	case exporter != "" && exporter != "otlp":
		return Config{}, false, fmt.Errorf("OTEL_TRACES_EXPORTER is %q; traces are sent by otlp, or by none", exporter)
	}
	endpoint = cmp.Or(endpoint, defaultEndpoint)
	if variable != "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" { // that one is the whole address
		endpoint = strings.TrimRight(endpoint, "/") + tracesPath
	}
	if u, err := url.Parse(endpoint); err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return Config{}, false, fmt.Errorf("%s is no http or https address without a user; a key belongs into OTEL_EXPORTER_OTLP_HEADERS", cmp.Or(variable, "the endpoint of traces"))
	}
	cfg = Config{Endpoint: endpoint, Timeout: defaultTimeout}
	err = errors.Join(cfg.readExporter(e), checkSDK(e))
	return cfg, err == nil, err
}

// readExporter reads how traces are sent.
func (cfg *Config) readExporter(e environment) error {
	if protocol, variable := e.exporter("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return fmt.Errorf("%s is %q; traces are sent by http/protobuf", variable, protocol)
	}
	for _, name := range []string{"CLIENT_CERTIFICATE", "CLIENT_KEY"} {
		if _, variable := e.exporter(name); variable != "" {
			return fmt.Errorf("%s is set, but traces are sent without a certificate of the client", variable)
		}
	}
	if value, variable := e.exporter("TIMEOUT"); value != "" {
		milliseconds, err := strconv.Atoi(value)
		if err != nil || milliseconds <= 0 {
			return fmt.Errorf("%s is %q; it is a number of milliseconds", variable, value)
		}
		cfg.Timeout = time.Duration(milliseconds) * time.Millisecond
	}
	switch value, variable := e.exporter("COMPRESSION"); value {
	case "", "none":
	case "gzip":
		cfg.Gzip = true
	default:
		return fmt.Errorf("%s is %q; it is gzip or none", variable, value)
	}
	cfg.CAFile, _ = e.exporter("CERTIFICATE")
	value, variable := e.exporter("HEADERS")
	if value == "" {
		return nil
	}
	cfg.Headers = map[string]secret.Text{}
	for pair := range strings.SplitSeq(value, ",") {
		name, encoded, ok := strings.Cut(pair, "=")
		text, err := url.PathUnescape(strings.TrimSpace(encoded))
		if name = strings.TrimSpace(name); !ok || name == "" || err != nil {
			return fmt.Errorf("%s is not a list of name=value, separated by commas", variable) // its text may hold a key
		}
		cfg.Headers[name] = secret.New(text)
	}
	return nil
}

// checkSDK refuses values that the library would ignore.
func checkSDK(e environment) error {
	sampler, ratio := strings.ToLower(strings.TrimSpace(e("OTEL_TRACES_SAMPLER"))), strings.TrimSpace(e("OTEL_TRACES_SAMPLER_ARG"))
	if !slices.Contains(samplers(), sampler) {
		return fmt.Errorf("OTEL_TRACES_SAMPLER is %q; it is one of%s", sampler, strings.Join(samplers(), " "))
	}
	if share, err := strconv.ParseFloat(ratio, 64); strings.HasSuffix(sampler, "traceidratio") && ratio != "" && (err != nil || share < 0 || share > 1) {
		return fmt.Errorf("OTEL_TRACES_SAMPLER_ARG is %q; it is a number from 0 to 1", ratio)
	}
	for _, name := range []string{"OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"} {
		if n, err := strconv.Atoi(e(name)); e(name) != "" && (err != nil || n <= 0) {
			return fmt.Errorf("%s is %q; it is a whole number above 0", name, e(name))
		}
	}
	return nil
}
