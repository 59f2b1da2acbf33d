package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Problem is one thing that is wrong with a configuration.
type Problem struct {
	Key  string // path of the key, for example instances[0].secret, or the name of an environment variable
	Line int    // of the configuration file; 0 where there is none
	Text string // the problem and what is allowed; never a secret
}

// Error implements error.
func (p *Problem) Error() string {
	if p.Line > 0 {
		return fmt.Sprintf("%s (line %d): %s", p.Key, p.Line, p.Text)
	}
	return p.Key + ": " + p.Text
}

// A report collects problems.
type report struct {
	lines    map[string]int // path → line of the file, or fromEnvironment
	problems []error
}

// fromEnvironment is the line of a key that the environment sets.
const fromEnvironment = -1

func (r *report) problem(key, format string, args ...any) {
	r.problems = append(r.problems, &Problem{key, r.line(key), fmt.Sprintf(format, args...)})
}

// line returns the line of a key, or of the group that lacks it; 0 where the file has neither.
func (r *report) line(key string) int {
	for key != "" && r.lines[key] == 0 {
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return max(0, r.lines[key])
}

// failed reports whether key or something below it has a problem already, so that one mistake is reported once.
func (r *report) failed(key string) bool {
	return slices.ContainsFunc(r.problems, func(err error) bool {
		p, ok := errors.AsType[*Problem](err)
		return ok && (p.Key == key || strings.HasPrefix(p.Key, key+".") || strings.HasPrefix(p.Key, key+"["))
	})
}

// Load reads the file at path, overrides it by the environment (in the form of os.Environ), fills in defaults, reads
// the files that contain secrets, and checks everything. An empty path is read as an empty file. The error joins one
// *Problem for everything that is wrong, so that one start reports them all. With such an error, the configuration has
// nothing but its Log, so that the problems can be logged as configured.
func Load(path string, environ []string) (Config, error) {
	file, err := read(path)
	if err != nil {
		return Config{}, err
	}
	cfg := defaults()
	d := &decoder{report: report{lines: map[string]int{}}, cfg: &cfg}
	d.decode(file, environ)
	cfg.Federated.TokenFile = cmp.Or(cfg.Federated.TokenFile, environmentOf(environ, federatedTokenFile))
	c := &checker{d.report, &cfg}
	c.secretFiles(path)
	c.check()
	if len(c.problems) > 0 {
		return Config{Log: c.log()}, errors.Join(c.problems...)
	}
	return cfg, nil
}

// log returns how to log, with the default for what is wrong.
func (c *checker) log() Log {
	usable := defaults().Log
	if !c.failed("log.level") {
		usable.Level = c.cfg.Log.Level
	}
	if !c.failed("log.format") {
		usable.Format = c.cfg.Log.Format
	}
	return usable
}

// read returns the mapping in a file, or nil where it is empty.
func read(path string) (*yaml.Node, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w%s", err, fileAdvice(err))
	}
	var document yaml.Node
	err = yaml.Unmarshal(text, &document)
	if err == nil {
		// Duplicate keys, wrong tags and anchors that contain themselves are only detected by decoding into a value.
		err = document.Decode(&map[string]any{})
	}
	if err != nil {
		return nil, unreadable(path, err)
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	return document.Content[0], nil
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// unreadable keeps the line of a syntax error and drops the parser's text, which may quote a secret.
func unreadable(path string, err error) error {
	p := &Problem{Key: path, Text: "this is not a YAML file of keys and values"}
	if line := yamlLine.FindStringSubmatch(err.Error()); line != nil {
		p.Line, _ = strconv.Atoi(line[1])
	}
	return p
}

const envPrefix = "CONNECTOR_"

// reservedEnv matches variables that container platforms set for a service named connector, and the one that names the
// configuration file.
var reservedEnv = regexp.MustCompile(`^CONNECTOR_(CONFIG|([A-Z0-9]+_)*(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?))$`)

func isReserved(name string) bool {
	return reservedEnv.MatchString(name) && !strings.Contains(name, "__")
}
