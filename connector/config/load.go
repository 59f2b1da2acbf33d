package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

const envPrefix = "CONNECTOR_"

// A Fault is one thing that is wrong with a configuration.
type Fault struct {
	Key     string // path of the key, as instances[0].secret, or the name of a variable
	Problem string // what was seen and what is allowed; never a secret
}

// Error implements error.
func (f *Fault) Error() string { return f.Key + ": " + f.Problem }

// Load reads the file at path, puts what environ says over it (os.Environ's form), fills in defaults, reads the files
// that hold secrets, and checks everything. An empty path stands for an empty file. The error joins a *Fault for every
// single thing that is wrong, so that one start is enough to learn all of them.
func Load(path string, environ []string) (Config, error) {
	k := koanf.New(".")
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return Config{}, unreadableFile(path, err)
		}
	}
	d := &decoder{}
	variables := env.Provider(".", env.Opt{
		Prefix:        envPrefix,
		EnvironFunc:   func() []string { return environ },
		TransformFunc: d.variable,
	})
	if err := k.Load(variables, nil, koanf.WithMergeFunc(merge)); err != nil {
		return Config{}, fmt.Errorf("reading the environment: %w", err)
	}
	cfg := defaults()
	d.decode("", k.Raw(), reflect.ValueOf(&cfg).Elem())
	c := &checker{cfg: &cfg, faults: d.faults}
	c.secretFiles(path)
	c.check()
	if len(c.faults) > 0 {
		return Config{}, errors.Join(c.faults...)
	}
	return cfg, nil
}

var yamlLine = regexp.MustCompile(`line \d+`)

// unreadableFile keeps the place of a syntax error and drops the parser's prose, which may quote a secret.
func unreadableFile(path string, err error) error {
	if _, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	problem := "it is not a YAML file of keys and values"
	if line := yamlLine.FindString(err.Error()); line != "" {
		problem += ", see " + line
	}
	return &Fault{path, problem}
}

// merge puts src over dest. Lists become maps by index first, so that a single member of one can be replaced.
func merge(src, dest map[string]any) error {
	for key, value := range src {
		from, ok := value.(map[string]any)
		if !ok {
			dest[key] = value
			continue
		}
		into := map[string]any{}
		switch old := dest[key].(type) {
		case map[string]any:
			into = old
		case []any:
			for i, member := range old {
				into[strconv.Itoa(i)] = member
			}
		}
		if err := merge(from, into); err != nil {
			return err
		}
		dest[key] = into
	}
	return nil
}

// strangers matches variables that container platforms set by themselves for a service of our name, and the one that
// says where the configuration file is.
var strangers = regexp.MustCompile(`^CONNECTOR_(CONFIG|([A-Z0-9]+_)*(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?))$`)

// variable returns the path of the key that an environment variable names, or "" after noting what is wrong with it.
func (d *decoder) variable(name, value string) (string, any) {
	if strangers.MatchString(name) && !strings.Contains(name, "__") {
		return "", nil
	}
	var path []string
	t := reflect.TypeFor[Config]()
	for part := range strings.SplitSeq(strings.TrimPrefix(name, envPrefix), "__") {
		switch {
		case isGroup(t):
			f, ok := fieldFold(t, part)
			if !ok {
				d.fault(name, "no key is named %q there; known are %s", part, known(t))
				return "", nil
			}
			path, t = append(path, keyOf(f)), f.Type
		case isGroupList(t):
			if _, err := strconv.ParseUint(part, 10, 16); err != nil {
				d.fault(name, "a member of a list is named by its number, as in %s%s__0", envPrefix, strings.ToUpper(strings.Join(path, "__")))
				return "", nil
			}
			path, t = append(path, part), t.Elem()
		default:
			d.fault(name, "%s has no keys below it", strings.Join(path, "."))
			return "", nil
		}
	}
	if isGroup(t) || isGroupList(t) {
		d.fault(name, "it names a group of keys, not a key")
		return "", nil
	}
	return strings.Join(path, "."), value
}
