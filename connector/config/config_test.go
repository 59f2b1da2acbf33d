package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/secret"
)

// canary is part of every secret in these tests. No error may contain it.
const canary = "canary-5f1d2c"

// valid is a minimal configuration.
const valid = `
hooks: {publicURL: "https://hooks.example.com/aps", listen: "127.0.0.1:8080"}
onboarding: {publicURL: "https://onboarding.example.com/", listen: "127.0.0.1:8081"}
keys: {file: keys/keys.json}
retention: {events: 9600h}
instances:
  - {key: first, secret: "` + canary + `-0123456789"}
`

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// problems returns the problems in err by key.
func problems(t *testing.T, err error) map[string]string {
	t.Helper()
	byKey := map[string]string{}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			f, ok := errors.AsType[*config.Problem](err)
			if !ok {
				t.Fatalf("Load = %v, want only *Problem", err)
			}
			byKey[f.Key] = f.Text
		}
	}
	return byKey
}

func TestLoad_Refuses(t *testing.T) {
	for name, tc := range map[string]struct {
		file    string
		environ []string
		key     string
		problem string
	}{
		"unknown key":                        {file: valid + "colour: red", key: "colour", problem: "valid keys are hooks, package"},
		"unknown key below":                  {file: valid + "log: {levle: info}", key: "log.levle", problem: "valid keys are level, format"},
		"unknown key in a list":              {file: strings.Replace(valid, "key: first", "key: first, name: x", 1), key: "instances[0].name", problem: "valid keys are key, secret"},
		"other case":                         {file: strings.Replace(valid, "hooks: {publicURL", "hooks: {servePackage: true, publicurl", 1), key: "hooks.publicurl", problem: "valid keys are"},
		"key with a dot":                     {file: valid + `log.level: info`, key: "log.level", problem: "unknown key"},
		"value for a group":                  {file: valid + "log: info", key: "log", problem: "group of keys: level, format"},
		"list for a text":                    {file: valid + "log: {format: [json]}", key: "log.format", problem: "a list is invalid"},
		"group for a list":                   {file: strings.Replace(valid, "https://hooks.example.com/aps\"", "https://hooks.example.com/aps\", trustedProxies: {a: b}", 1), key: "hooks.trustedProxies", problem: "numbered from 0"},
		"text for instances":                 {file: withoutInstances() + "instances: x", key: "instances", problem: "must be a list"},
		"number for a text":                  {file: valid + "database: {path: 12}", key: "database.path", problem: "12 is invalid: must be text"},
		"number for a secret":                {file: strings.Replace(valid, `"`+canary+`-0123456789"`, "12345678901234567", 1), key: "instances[0].secret", problem: "text in quotes"},
		"list for a secret":                  {file: strings.Replace(valid, `"`+canary+`-0123456789"`, "["+canary+"]", 1), key: "instances[0].secret", problem: "text in quotes"},
		"no duration":                        {file: valid + "renewal: {every: often}", key: "renewal.every", problem: `"often" is invalid: must be a duration`},
		"duration without unit":              {file: valid + "renewal: {every: 10}", key: "renewal.every", problem: "with its unit"},
		"no number":                          {file: valid + "renewal: {workers: many}", key: "renewal.workers", problem: `"many" is invalid: must be a whole number`},
		"no boolean":                         {file: valid + "platform: {insecure: perhaps}", key: "platform.insecure", problem: "true or false"},
		"no level":                           {file: valid + "log: {level: loud}", key: "log.level", problem: `"loud" is invalid: must be debug, info`},
		"no format":                          {file: valid + "log: {format: xml}", key: "log.format", problem: "must be json, text or ecs"},
		"no network":                         {file: valid, environ: []string{"CONNECTOR_HOOKS__TRUSTEDPROXIES=10.0.0.0/8,near"}, key: "hooks.trustedProxies[1]", problem: `"near" is invalid`},
		"no public address":                  {file: strings.Replace(valid, "https://hooks.example.com/aps", "", 1), key: "hooks.publicURL", problem: "missing"},
		"no address":                         {file: strings.Replace(valid, "https://hooks.example.com/aps", "hooks", 1), key: "hooks.publicURL", problem: "scheme, host and path"},
		"plain http":                         {file: strings.Replace(valid, "https://onboarding", "http://onboarding", 1), key: "onboarding.publicURL", problem: "must be https"},
		"public with query":                  {file: strings.Replace(valid, "example.com/aps", "example.com/aps?x=1", 1), key: "hooks.publicURL", problem: "no user, query or fragment"},
		"public with a password":             {file: strings.Replace(valid, "https://hooks.", "https://u:"+canary+"@hooks.", 1), key: "hooks.publicURL", problem: "no user, query or fragment"},
		"password, no scheme":                {file: strings.Replace(valid, "https://hooks.", "u:"+canary+"@hooks.", 1), key: "hooks.publicURL", problem: "scheme, host and path"},
		"webhook with a token":               {file: valid + "notify: {webhook: {url: 'https://ops.example.com/?token=" + canary + "', secret: " + canary + "-other-one}}", key: "notify.webhook.url", problem: "no user, query or fragment"},
		"redirect named already":             {file: strings.Replace(valid, "onboarding.example.com/", "onboarding.example.com/callback/", 1), key: "onboarding.publicURL", problem: "ends in /callback"},
		"redirect too long":                  {file: strings.Replace(valid, "onboarding.example.com/", "onboarding.example.com/"+strings.Repeat("x", 230), 1), key: "onboarding.publicURL", problem: "Microsoft allows 256"},
		"redirect with sign":                 {file: strings.Replace(valid, "onboarding.example.com/", "onboarding.example.com/a;b", 1), key: "onboarding.publicURL", problem: `contains ";"`},
		"no port":                            {file: valid + `private: {listen: localhost}`, key: "private.listen", problem: "host:port or :port"},
		"same address":                       {file: valid + `private: {listen: "127.0.0.1:8080"}`, key: "private.listen", problem: "already used by hooks.listen"},
		"certificate without key":            {file: strings.Replace(valid, "https://hooks.example.com/aps\"", "https://hooks.example.com/aps\", tls: {certFile: c.pem}", 1), key: "hooks.tls.keyFile", problem: "both or neither"},
		"key without certificate":            {file: strings.Replace(valid, "https://hooks.example.com/aps\"", "https://hooks.example.com/aps\", tls: {keyFile: k.pem}", 1), key: "hooks.tls.certFile", problem: "both or neither"},
		"no PEM certificate":                 {file: strings.Replace(valid, "https://hooks.example.com/aps\"", "https://hooks.example.com/aps\", tls: {certFile: /none/c.pem, keyFile: /none/k.pem}", 1), key: "hooks.tls", problem: "unusable"},
		"no driver":                          {file: valid + "database: {driver: oracle}", key: "database.driver", problem: "must be sqlite or mysql"},
		"mysql without dsn":                  {file: valid + "database: {driver: mysql}", key: "database.dsn", problem: "missing"},
		"mysql with path":                    {file: valid + "database: {driver: mysql, path: x.db, dsn: 'u:p@tcp(h:1)/d'}", key: "database.path", problem: "for the driver sqlite"},
		"sqlite with dsn":                    {file: valid + "database: {dsn: 'u:p@tcp(h:1)/d'}", key: "database.dsn", problem: "for the driver mysql"},
		"unreadable dsn":                     {file: valid + "database: {driver: mysql, dsn: 'u:" + canary + "@tcp(h'}", key: "database.dsn", problem: "user:password@tcp(host:3306)/name"},
		"dsn without a name":                 {file: valid + "database: {driver: mysql, dsn: 'u:" + canary + "@tcp(h:1)/'}", key: "database.dsn", problem: "user:password@tcp(host:3306)/name"},
		"dsn file missing":                   {file: valid + "database: {driver: mysql, dsnFile: /none/dsn}", key: "database.dsnFile", problem: "cannot be read"},
		"two sets of keys":                   {file: strings.Replace(valid, "file: keys/keys.json", "file: keys.json, ring: "+canary, 1), key: "keys.ring", problem: "only one of them"},
		"broken keys":                        {file: strings.Replace(valid, "file: keys/keys.json", "ring: "+canary, 1), key: "keys.ring", problem: "this is not a key file of this program"},
		"no keys":                            {file: strings.Replace(valid, "keys: {file: keys/keys.json}", "", 1), key: "keys.file", problem: "missing"},
		"no instance":                        {file: withoutInstances(), key: "instances", problem: "at least one"},
		"instance without key":               {file: strings.Replace(valid, "key: first, ", "", 1), key: "instances[0].key", problem: "missing"},
		"instance without secret":            {file: valid + "  - {key: second}", key: "instances[1].secret", problem: "missing"},
		"key too long":                       {file: strings.Replace(valid, "key: first", "key: "+strings.Repeat("k", 129), 1), key: "instances[0].key", problem: "at most 128"},
		"cloud name too long":                {file: valid + "clouds: [{name: " + strings.Repeat("c", 65) + "}]", key: "clouds[0].name", problem: "at most 64"},
		"key twice":                          {file: valid + "  - {key: first, secret: " + canary + "-other-one}", key: "instances[1].key", problem: "instances[0]"},
		"short secret":                       {file: valid + "  - {key: second, secret: " + canary + "}", key: "instances[1].secret", problem: "at least 16 characters"},
		"placeholder secret":                 {file: valid + "  - {key: second, secret: PUT_HERE_a_long_secret}", key: "instances[1].secret", problem: "placeholder"},
		"placeholder changeme":               {file: valid + "  - {key: second, secret: changeme-changeme-changeme}", key: "instances[1].secret", problem: "placeholder"},
		"placeholder key":                    {file: valid + "  - {key: <key>, secret: " + canary + "-other-one}", key: "instances[1].key", problem: "placeholder"},
		"secret is the key":                  {file: valid + "  - {key: abcdefghijklmnopqrst, secret: abcdefghijklmnopqrst}", key: "instances[1].secret", problem: "same as the key"},
		"secret file missing":                {file: valid + "  - {key: second, secretFile: /none/secret}", key: "instances[1].secretFile", problem: "cannot be read"},
		"secret file is a folder":            {file: valid + "  - {key: second, secretFile: /}", key: "instances[1].secretFile", problem: "not a file with one secret"},
		"previous secret":                    {file: valid + "  - {key: second, secret: " + canary + "-other-one, previousSecret: " + canary + "-other-one}", key: "instances[1].previousSecret", problem: "the one that secret replaces"},
		"short previous secret":              {file: valid + "  - {key: second, secret: " + canary + "-other-one, previousSecret: " + canary + "}", key: "instances[1].previousSecret", problem: "at least 16 characters"},
		"controller with a path":             {file: valid + "  - {key: second, secret: " + canary + "-other-one, controllers: [\"https://apsc.example.net:6308/aps\"]}", key: "instances[1].controllers[0]", problem: "must have no path"},
		"controller without TLS":             {file: valid + "  - {key: second, secret: " + canary + "-other-one, controllers: [\"https://apsc.example.net\", \"http://10.0.0.5:6308\"]}", key: "instances[1].controllers[1]", problem: "must be https"},
		"controller with a user":             {file: valid + "  - {key: second, secret: " + canary + "-other-one, controllers: [\"https://u:" + canary + "@apsc.example.net\"]}", key: "instances[1].controllers[0]", problem: "no user"},
		"signature window":                   {file: strings.Replace(valid, "https://hooks.example.com/aps\"", "https://hooks.example.com/aps\", signatureWindow: 30s", 1), key: "hooks.signatureWindow", problem: "1m0s to 1h0m0s"},
		"previous secret missing":            {file: valid + "  - {key: second, secret: " + canary + "-other-one, previousSecretFile: /none}", key: "instances[1].previousSecretFile", problem: "cannot be read"},
		"package id with a slash":            {file: valid + "package: {id: 'http://aps.example.net/own/'}", key: "package.id", problem: "it must not end in a slash"},
		"package id with TLS":                {file: valid + "package: {id: 'https://aps.example.net/own'}", key: "package.id", problem: "http://"},
		"secret and file":                    {file: valid + "  - {key: second, secret: " + canary + "-other-one, secretFile: /none}", key: "instances[1].secretFile", problem: "only one of them"},
		"unnamed cloud":                      {file: valid + "clouds: [{authority: 'https://login.example.com'}]", key: "clouds[0]", problem: "the name must be"},
		"new cloud incomplete":               {file: valid + "clouds: [{name: lab, authority: 'https://login.example.com'}]", key: "clouds[0]", problem: "lab"},
		"cloud on plain http":                {file: valid + "clouds: [{name: global, authority: 'http://login.example.com'}]", key: "clouds[0].authority", problem: "must be https"},
		"cloud twice":                        {file: valid + "clouds: [{name: global}, {name: global}]", key: "clouds[1].name", problem: "listed twice"},
		"no timeout":                         {file: valid + "platform: {timeout: 0s}", key: "platform.timeout", problem: "must be 1s to"},
		"no authority file":                  {file: valid + "platform: {caFile: /none/ca.pem}", key: "platform.caFile", problem: "cannot be read"},
		"renewal too rare":                   {file: valid + "renewal: {every: 1200h}", key: "renewal.every", problem: "must be"},
		"jitter over all":                    {file: valid + "renewal: {every: 10h, jitter: 10h}", key: "renewal.jitter", problem: "less than every"},
		"short retention":                    {file: strings.Replace(valid, "9600h", "720h", 1), key: "retention.events", problem: "must be 0, which keeps events forever, or at least 4320h0m0s"},
		"negative retention":                 {file: strings.Replace(valid, "9600h", "-1h", 1), key: "retention.events", problem: "or at least 4320h0m0s"},
		"no rate of a cloud":                 {file: valid + "renewal: {perCloud: 0}", key: "renewal.perCloud", problem: "must be 1 to 1000000"},
		"no rate of a directory":             {file: valid + "renewal: {perDirectory: -1}", key: "renewal.perDirectory", problem: "must be 1 to 1000000"},
		"no connection":                      {file: valid + "private: {connections: {max: 0}}", key: "private.connections.max", problem: "must be 1 to 65536"},
		"no connection a client":             {file: valid + "private: {connections: {perClient: 0}}", key: "private.connections.perClient", problem: "must be 1 to 65536"},
		"no idle connection":                 {file: valid + "private: {connections: {idle: 0s}}", key: "private.connections.idle", problem: "must be 1s to 1h"},
		"endless drain":                      {file: valid + "shutdown: {drain: 1h}", key: "shutdown.drain", problem: "must be 0s to 10m"},
		"no workers":                         {file: valid + "renewal: {workers: 0}", key: "renewal.workers", problem: "must be 1 to 256"},
		"link life too short":                {file: strings.Replace(valid, "onboarding: {", "onboarding: {linkLife: 1s, ", 1), key: "onboarding.linkLife", problem: "must be"},
		"logo of no known kind":              {file: strings.Replace(valid, "onboarding: {", "onboarding: {logoFile: logo.exe, ", 1), key: "onboarding.logoFile", problem: "is not .svg"},
		"no logo there":                      {file: strings.Replace(valid, "onboarding: {", "onboarding: {logoFile: none.svg, ", 1), key: "onboarding.logoFile", problem: "none.svg"},
		"help over http":                     {file: strings.Replace(valid, "onboarding: {", "onboarding: {helpURL: 'http://help.example', ", 1), key: "onboarding.helpURL", problem: "neither an https nor a mailto"},
		"help by script":                     {file: strings.Replace(valid, "onboarding: {", "onboarding: {helpURL: 'javascript:alert(1)', ", 1), key: "onboarding.helpURL", problem: "neither an https nor a mailto"},
		"long name":                          {file: strings.Replace(valid, "onboarding: {", "onboarding: {name: "+strings.Repeat("x", 256)+", ", 1), key: "onboarding.name", problem: "longer than"},
		"no requests":                        {file: strings.Replace(valid, "onboarding: {", "onboarding: {requestBurst: 0, ", 1), key: "onboarding.requestBurst", problem: "must be 1"},
		"unknown variable":                   {file: valid, environ: []string{"CONNECTOR_HOOKS__PORT=" + canary}, key: "CONNECTOR_HOOKS__PORT", problem: "valid keys are listen, publicURL"},
		"variable for a group":               {file: valid, environ: []string{"CONNECTOR_HOOKS=" + canary}, key: "CONNECTOR_HOOKS", problem: "group of keys"},
		"variable below a value":             {file: valid, environ: []string{"CONNECTOR_LOG__LEVEL__X=" + canary}, key: "CONNECTOR_LOG__LEVEL__X", problem: "no keys below"},
		"variable without number":            {file: valid, environ: []string{"CONNECTOR_INSTANCES__KEY=x"}, key: "CONNECTOR_INSTANCES__KEY", problem: "CONNECTOR_INSTANCES__0"},
		"variable leaves a gap":              {file: valid, environ: []string{"CONNECTOR_INSTANCES__2__KEY=x"}, key: "instances", problem: "number 1 is missing"},
		"panel origin with a path":           {file: valid + "  - {key: second, secret: " + canary + "-other-one, panelOrigins: [https://panel.example.com/]}", key: "instances[1].panelOrigins[0]", problem: "scheme, host and port only"},
		"panel origin without scheme":        {file: valid + "  - {key: second, secret: " + canary + "-other-one, panelOrigins: [panel.example.com]}", key: "instances[1].panelOrigins[0]", problem: "must have scheme"},
		"panel origin over http":             {file: valid + "  - {key: second, secret: " + canary + "-other-one, panelOrigins: [http://panel.example.com]}", key: "instances[1].panelOrigins[0]", problem: "must be https"},
		"panel origin with the default port": {file: valid + "  - {key: second, secret: " + canary + "-other-one, panelOrigins: [https://panel.example.com:443]}", key: "instances[1].panelOrigins[0]", problem: "default port"},
		"panel origin in upper case":         {file: valid + "  - {key: second, secret: " + canary + "-other-one, panelOrigins: [https://Panel.example.com]}", key: "instances[1].panelOrigins[0]", problem: "lower case"},
		"panel origin with a wildcard":       {file: valid + "  - {key: second, secret: " + canary + "-other-one, panelOrigins: [https://*.example.com]}", key: "instances[1].panelOrigins[0]", problem: "one exact origin"},
		"panel origin of any":                {file: valid + "  - {key: second, secret: " + canary + "-other-one, panelOrigins: [\"*\"]}", key: "instances[1].panelOrigins[0]", problem: "must have scheme"},
		"panel origin that is null":          {file: valid + "  - {key: second, secret: " + canary + "-other-one, panelOrigins: [\"null\"]}", key: "instances[1].panelOrigins[0]", problem: "must have scheme"},
		"panel origin in Unicode":            {file: valid + "  - {key: second, secret: " + canary + "-other-one, panelOrigins: [https://bücher.example]}", key: "instances[1].panelOrigins[0]", problem: "xn--"},
		"panel origin with a query":          {file: valid + "  - {key: second, secret: " + canary + "-other-one, panelOrigins: [\"https://panel.example.com?a\"]}", key: "instances[1].panelOrigins[0]", problem: "no user, query"},
		"panel origin twice":                 {file: valid + "  - {key: second, secret: " + canary + "-other-one, panelOrigins: [https://p.example, https://p.example]}", key: "instances[1].panelOrigins[1]", problem: "listed twice"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load(write(t, "config.yaml", tc.file, 0o600), tc.environ)
			if err == nil {
				t.Fatalf("Load = nil, want a problem of %s", tc.key)
			}
			got := problems(t, err)
			if !strings.Contains(got[tc.key], tc.problem) {
				t.Errorf("Load = %v, want %q to say %q", err, tc.key, tc.problem)
			}
			if len(got) > 2 {
				t.Errorf("Load = %v, want only the problem", err)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("Load = %v, want no secret in it", err)
			}
		})
	}
}

func TestLoad_RefusesUnreadableFiles(t *testing.T) {
	for name, text := range map[string]string{
		"only a text":  canary,
		"a list":       "- " + canary,
		"broken quote": "hooks: {publicURL: \"" + canary + "\n",
		"key twice":    "log: {level: info}\nlog: {level: info}\n" + canary + ": x",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load(write(t, "config.yaml", text, 0o600), nil)
			if _, ok := errors.AsType[*config.Problem](err); !ok || strings.Contains(err.Error(), canary) {
				t.Errorf("Load = %v, want a problem of the file without its content", err)
			}
		})
	}
	if _, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load(no such file) = %v, want %v", err, os.ErrNotExist)
	}
}

func TestLoad_ReportsEveryProblem(t *testing.T) {
	_, err := config.Load(write(t, "config.yaml", "colour: red\nlog: {level: loud, format: xml}\nrenewal: {workers: x}\n", 0o600), []string{"CONNECTOR_X=1"})
	want := []string{"CONNECTOR_X", "colour", "hooks.publicURL", "instances", "keys.file", "log.format", "log.level", "onboarding.publicURL", "renewal.workers"}
	var got []string
	for key := range problems(t, err) {
		got = append(got, key)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Load: keys of problems (-want +got)\n%s", diff)
	}
}

func TestLoad_RenewSuspended(t *testing.T) {
	for text, want := range map[string]bool{"": true, ", renewSuspended: true": true, ", renewSuspended: false": false} {
		got, err := config.Load(write(t, "config.yaml", strings.Replace(valid, "key: first", "key: first"+text, 1), 0o600), nil)
		if err != nil {
			t.Fatalf("Load = %v", err)
		}
		if renews := got.Instances[0].RenewsSuspended(); renews != want {
			t.Errorf("instances[0] with %q renews suspended tenants: %t, want %t", text, renews, want)
		}
	}
}

func TestLoad_NamesTheLineOfAProblem(t *testing.T) {
	text := strings.Join([]string{
		"hooks:",
		"  publicURL: https://hooks.example.com/aps",
		"  colour: red",
		"onboarding:",
		"  linkLife: 24h", // without a public URL
		"instances:",
		"  - key: first",
		"    secret: " + canary + "-0123456789",
		"  -",
		"    key: second", // without a secret
		"renewal:",
		"  workers: 0",
		"  every: often",
		"log: {level: info}",
	}, "\n")
	_, err := config.Load(write(t, "config.yaml", text, 0o600), []string{"CONNECTOR_LOG__LEVEL=loud", "CONNECTOR_X=1"})
	want := map[string]int{
		"hooks.colour": 3, "instances[1].secret": 10, "renewal.workers": 12, "renewal.every": 13, "onboarding.publicURL": 4,
		"keys.file": 0, "log.level": 0, "CONNECTOR_X": 0, // not from the file
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			p, ok := errors.AsType[*config.Problem](err)
			line, expected := want[p.Key]
			if !ok || !expected || p.Line != line {
				t.Errorf("Load = %v with line %d, want line %d", err, p.Line, line)
			}
			if named := strings.Contains(err.Error(), "(line "); named != (line > 0) {
				t.Errorf("Load = %q, want the line in it if there is one", err)
			}
			delete(want, p.Key)
		}
	}
	if len(want) > 0 {
		t.Errorf("Load = %v, want problems of %v too", err, want)
	}
}

func TestLoad_ResolvesAnchors(t *testing.T) {
	got, err := config.Load(write(t, "config.yaml", valid+`
private: &private {listen: "127.0.0.1:9191"}
clouds:
  - &lab {name: global, graph: &graph {baseURL: "https://graph.example.com", scope: a}}
  - {<<: *lab, name: usgov, arm: *graph}
  - {<<: [*lab], name: china, graph: {<<: *graph, scope: b}}
`, 0o600), nil)
	if err != nil {
		t.Fatalf("Load = %v", err)
	}
	var clouds []string
	for _, c := range got.Clouds {
		clouds = append(clouds, strings.Join([]string{c.Name, c.Graph.BaseURL, c.Graph.Scope, c.ARM.BaseURL}, " "))
	}
	want := []string{
		"global https://graph.example.com a ", "usgov https://graph.example.com a https://graph.example.com", "china https://graph.example.com b ",
	}
	if diff := cmp.Diff(want, clouds); diff != "" {
		t.Errorf("Load: clouds (-want +got)\n%s", diff)
	}
}

func TestLoad_FillsDefaults(t *testing.T) {
	got, err := config.Load(write(t, "config.yaml", valid, 0o600), nil)
	if err != nil {
		t.Fatalf("Load = %v", err)
	}
	connections := config.Connections{Max: 512, PerClient: 32, Idle: 2 * time.Minute}
	want := config.Config{
		Hooks: config.Hooks{Listen: "127.0.0.1:8080", PublicURL: "https://hooks.example.com/aps", Connections: connections, SignatureWindow: 10 * time.Minute},
		Onboarding: config.Onboarding{
			Listen: "127.0.0.1:8081", PublicURL: "https://onboarding.example.com",
			Connections: config.Connections{Max: 512, PerClient: 32, Idle: 30 * time.Second},
			LinkLife:    168 * time.Hour, ConsentLife: 15 * time.Minute, ClaimLife: 24 * time.Hour,
			RequestsPerMinute: 60, RequestBurst: 30,
		},
		API:       config.API{Connections: connections, Audit: config.AuditEach},
		Egress:    config.Egress{Connections: connections, Audit: config.AuditMinute, Timeout: 2 * time.Minute, Idle: time.Minute, MaxRequest: 256, MaxAnswer: 1024},
		Private:   config.Private{Listen: "127.0.0.1:9090", Connections: connections},
		Database:  config.Database{Driver: config.SQLite, Path: "connector.db"},
		Keys:      config.Keys{File: "keys/keys.json"},
		Instances: []config.Instance{{Key: "first", Secret: secret.New(canary + "-0123456789")}},
		Platform:  config.Platform{Timeout: 30 * time.Second, PeriodicTask: true, AccountEvents: true},
		Renewal: config.Renewal{
			Every: 240 * time.Hour, Jitter: 24 * time.Hour, Tick: time.Minute, Lease: 2 * time.Minute, Workers: 32,
			PerCloud: 1200, PerDirectory: 12,
		},
		Lending:   config.Lending{CustomerTokens: 10_000, Redemptions: 12},
		Limits:    config.Limits{Consents: 10, Openings: 30, Codes: 10, Claims: 10, Renewals: 6},
		Retention: config.Retention{Events: 9600 * time.Hour}, // which the file sets
		Notify:    config.Notify{Panel: true, Language: "en", Chat: config.Chat{Language: "en"}, Mail: config.Mail{Encryption: config.MailStartTLS, Language: "en", PerHour: 20}},
		Log:       config.Log{Level: slog.LevelInfo, Format: config.JSON},
		Shutdown:  config.Shutdown{Grace: 20 * time.Second},
	}
	if diff := cmp.Diff(want, got, compare); diff != "" {
		t.Errorf("Load (-want +got)\n%s", diff)
	}
}

var compare = cmp.Options{
	cmp.Comparer(func(a, b secret.Text) bool { return a.Reveal() == b.Reveal() }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func TestLoad_EnvironmentOverridesFile(t *testing.T) {
	path := write(t, "config.yaml", valid+"  - {key: second, secret: "+canary+"-abcdefghij}\nlog: {level: debug}\n", 0o600)
	got, err := config.Load(path, []string{
		"PATH=/bin", "CONNECTORS=x",
		"CONNECTOR_CONFIG=/etc/connector.yaml",
		"CONNECTOR_SERVICE_HOST=10.0.0.1", "CONNECTOR_PORT=tcp://10.0.0.1:80", "CONNECTOR_PORT_80_TCP_ADDR=10.0.0.1",
		"CONNECTOR_HOOKS_SERVICE_PORT_HTTP=80",
		"CONNECTOR_HOOKS__PUBLICURL=https://other.example.com",
		"CONNECTOR_hooks__trustedProxies=10.0.0.0/8, 192.0.2.7 ,2001:db8::/32",
		"CONNECTOR_LOG__LEVEL=warn",
		"CONNECTOR_PLATFORM__INSECURE=true",
		"CONNECTOR_RENEWAL__WORKERS=3",
		"CONNECTOR_INSTANCES__1__SECRET=" + canary + "-of-the-second",
		"CONNECTOR_INSTANCES__2__KEY=third", "CONNECTOR_INSTANCES__2__SECRET=" + canary + "-of-the-third",
		"CONNECTOR_CLOUDS__0__NAME=global", "CONNECTOR_CLOUDS__0__PARTNERCENTER__BASEURL=http://127.0.0.1:8443",
	})
	if err != nil {
		t.Fatalf("Load = %v", err)
	}
	if got.Hooks.PublicURL != "https://other.example.com" || got.Log.Level != slog.LevelWarn || !got.Platform.Insecure || got.Renewal.Workers != 3 {
		t.Errorf("Load = %+v, want the values of the environment", got)
	}
	wantProxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/32")}
	if diff := cmp.Diff(wantProxies, got.Hooks.TrustedProxies, compare); diff != "" {
		t.Errorf("Load: hooks.trustedProxies (-want +got)\n%s", diff)
	}
	wantInstances := []config.Instance{
		{Key: "first", Secret: secret.New(canary + "-0123456789")},
		{Key: "second", Secret: secret.New(canary + "-of-the-second")},
		{Key: "third", Secret: secret.New(canary + "-of-the-third")},
	}
	if diff := cmp.Diff(wantInstances, got.Instances, compare); diff != "" {
		t.Errorf("Load: instances (-want +got)\n%s", diff)
	}
	if len(got.Clouds) != 1 || got.Clouds[0].PartnerCenter.BaseURL != "http://127.0.0.1:8443" {
		t.Errorf("Load: clouds = %+v, want the one of the environment", got.Clouds)
	}
	if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "platform.insecure") {
		t.Errorf("Load: warnings = %q, want one about platform.insecure", got.Warnings)
	}
}

func TestLoad_ReadsSecretFiles(t *testing.T) {
	secretFile := write(t, "secret", "\ufeff"+canary+"-0123456789\n", 0o600) // as some editors begin a file
	dsnFile := write(t, "dsn", "u:"+canary+"@tcp(db:3306)/connector?tls=true\r\n", 0o644)
	text := strings.Replace(valid, `secret: "`+canary+`-0123456789"`, "secretFile: "+secretFile, 1) +
		"database: {driver: mysql, dsnFile: " + dsnFile + "}\n"
	got, err := config.Load(write(t, "config.yaml", text, 0o644), nil)
	if err != nil {
		t.Fatalf("Load = %v", err)
	}
	if s := got.Instances[0].Secret.Reveal(); s != canary+"-0123456789" {
		t.Errorf("Load: instances[0].secret is not the content of its file")
	}
	if s := got.Database.DSN.Reveal(); s != "u:"+canary+"@tcp(db:3306)/connector?tls=true" {
		t.Errorf("Load: database.dsn is not the content of its file")
	}
	if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "database.dsnFile") || !strings.Contains(got.Warnings[0], "0644") {
		t.Errorf("Load: warnings = %q, want only one about database.dsnFile: the configuration itself contains no secret", got.Warnings)
	}
}

func TestLoad_WarnsOfPreviousSecret(t *testing.T) {
	old := write(t, "old", canary+"-of-yesterday\n", 0o600)
	text := strings.Replace(valid, "key: first,", "key: first, previousSecretFile: "+old+",", 1)
	got, err := config.Load(write(t, "config.yaml", text, 0o600), nil)
	if err != nil {
		t.Fatalf("Load = %v", err)
	}
	want := []secret.Text{secret.New(canary + "-0123456789"), secret.New(canary + "-of-yesterday")}
	if diff := cmp.Diff(want, got.Instances[0].Secrets(), compare); diff != "" {
		t.Errorf("Secrets() (-want +got)\n%s", diff)
	}
	if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "instances[0].previousSecret") || strings.Contains(got.Warnings[0], canary) {
		t.Errorf("Load = warnings %q, want one about the old secret", got.Warnings)
	}
	if got := (config.Instance{Secret: want[0]}).Secrets(); len(got) != 1 {
		t.Errorf("Secrets() without a previous one = %d secrets, want one", len(got))
	}
}

func TestLoad_WarnsOfReadableSecrets(t *testing.T) {
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: false, 0o440: false, 0o644: true, 0o604: true, 0o660: true} {
		got, err := config.Load(write(t, "config.yaml", valid, mode), nil)
		if err != nil || (len(got.Warnings) == 1) != warned || strings.Contains(strings.Join(got.Warnings, ""), canary) {
			t.Errorf("Load of a file of the mode %04o = warnings %q, %v, want one: %t", mode, got.Warnings, err, warned)
		}
		if warned && !strings.Contains(got.Warnings[0], fmt.Sprintf("mode %04o", mode)) {
			t.Errorf("Load of a file of the mode %04o = warnings %q, want the mode", mode, got.Warnings)
		}
	}
}

func TestLoad_ChecksCertificates(t *testing.T) {
	cert, key := certificate(t)
	text := strings.Replace(valid, `https://hooks.example.com/aps"`, `https://hooks.example.com/aps", tls: {certFile: `+cert+`, keyFile: `+key+`}`, 1)
	got, err := config.Load(write(t, "config.yaml", text+"platform: {caFile: "+cert+"}", 0o600), nil)
	if err != nil || !got.Hooks.TLS.Enabled() || got.Onboarding.TLS.Enabled() {
		t.Errorf("Load = %+v, %v, want a certificate for the hooks", got, err)
	}
	_, err = config.Load(write(t, "config.yaml", valid+"platform: {insecure: true, caFile: "+cert+"}", 0o600), nil)
	if got := problems(t, err)["platform.caFile"]; !strings.Contains(got, "no effect") {
		t.Errorf("Load(insecure with caFile) = %v, want a problem", err)
	}
	_, err = config.Load(write(t, "config.yaml", valid+"platform: {caFile: "+key+"}", 0o600), nil)
	if got := problems(t, err)["platform.caFile"]; !strings.Contains(got, "no PEM certificate") {
		t.Errorf("Load(caFile without certificate) = %v, want a problem", err)
	}
}

func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})), 0o600),
		write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), 0o600)
}

// secretOfExample replaces the placeholder in the example.
const secretOfExample = "CONNECTOR_INSTANCES__0__SECRET=" + canary + "-0123456789"

func TestExample_Loads(t *testing.T) {
	path := write(t, "config.yaml", string(config.Example()), 0o600)
	if _, err := config.Load(path, []string{secretOfExample}); err != nil {
		t.Errorf("Load(example) = %v", err)
	}
	_, err := config.Load(path, nil)
	if got := problems(t, err); len(got) != 1 || !strings.Contains(got["instances[0].secret"], "placeholder") {
		t.Errorf("Load(example with its placeholder) = %v, want only a problem of instances[0].secret", err)
	}
}

// TestExample_ShowsDefaults removes the # of every optional key: the values shown are the defaults.
func TestExample_ShowsDefaults(t *testing.T) {
	load := func(text []byte) config.Config {
		cfg, err := config.Load(write(t, "config.yaml", string(text), 0o600), []string{secretOfExample})
		if err != nil {
			t.Fatalf("Load(example) = %v", err)
		}
		return cfg
	}
	without, with := load(config.Example()), load(uncommented())
	if len(with.Clouds) != 1 {
		t.Errorf("Load(example in full): clouds = %+v, want one", with.Clouds)
	}
	without.Clouds, with.Clouds = nil, nil
	without.Notify.Mail.To, without.Instances[0].PanelOrigins = []string{}, []string{}
	without.Hooks.TrustedProxies, without.Onboarding.TrustedProxies = []netip.Prefix{}, []netip.Prefix{}
	without.API.TrustedProxies, without.Egress.TrustedProxies = []netip.Prefix{}, []netip.Prefix{}
	without.Instances[0].Controllers, without.Export.Recipients = []string{}, []string{}
	without.Instances[0].Scopes = config.Scopes{PartnerCenter: []string{}, Graph: []string{}, ARM: []string{}}
	if !*with.Instances[0].RenewSuspended || !without.Instances[0].RenewsSuspended() {
		t.Error("Load(example): renewSuspended is not true, which is the default")
	}
	if apis := with.Instances[0].APIs; len(apis) != 1 {
		t.Errorf("Load(example in full): apis = %+v, want one", apis)
	}
	with.Instances[0].RenewSuspended, with.Instances[0].APIs = nil, nil
	if diff := cmp.Diff(without, with, compare); diff != "" {
		t.Errorf("Load: example as it is and in full (-as it is +in full)\n%s", diff)
	}
}

func TestExample_ExplainsEveryKey(t *testing.T) {
	var tree map[string]any
	if err := yaml.Unmarshal(uncommented(), &tree); err != nil {
		t.Fatalf("Unmarshal(example in full) = %v", err)
	}
	for _, path := range config.Paths() {
		if !has(tree, strings.Split(path, ".")) {
			t.Errorf("Example() does not show %s", path)
		}
	}
}

func uncommented() []byte { return uncomment(config.Example()) }

func uncomment(example []byte) []byte {
	return regexp.MustCompile(`(?m)^( *)#([a-zA-Z-])`).ReplaceAll(example, []byte("$1$2"))
}

func has(tree any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	group, ok := tree.(map[string]any)
	if !ok {
		return false
	}
	name, isList := strings.CutSuffix(path[0], "[0]")
	value, ok := group[name]
	if !ok {
		return false
	}
	if isList {
		members, ok := value.([]any)
		return ok && len(members) > 0 && has(members[0], path[1:])
	}
	return has(value, path[1:])
}

// withoutInstances returns the valid file up to its instances.
func withoutInstances() string {
	before, _, _ := strings.Cut(valid, "instances:")
	return before
}

// TestLoad_TheEnvironmentWinsOverTheOtherKeyOfAPair sets a secret by the environment and its file in the configuration, and the
// other way round.
func TestLoad_TheEnvironmentWinsOverTheOtherKeyOfAPair(t *testing.T) {
	folder := t.TempDir()
	inFile := filepath.Join(folder, "dsn")
	if err := os.WriteFile(inFile, []byte("u:file@tcp(db:3306)/connector?tls=true"), 0o600); err != nil {
		t.Fatal(err)
	}
	const inline = "u:inline@tcp(db:3306)/connector?tls=true"
	for name, tc := range map[string]struct{ file, environment, want, warning string }{
		"inline over file":        {"dsnFile: " + inFile, "CONNECTOR_DATABASE__DSN=" + inline, "inline", "database.dsn is set by the environment, so database.dsnFile"},
		"file over inline":        {"dsn: '" + inline + "'", "CONNECTOR_DATABASE__DSNFILE=" + inFile, "file", "database.dsnFile is set by the environment, so database.dsn "},
		"both by the environment": {"maxConnections: 4", "CONNECTOR_DATABASE__DSN=" + inline, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "connector.yaml")
			if err := os.WriteFile(path, []byte(valid+"database: {driver: mysql, "+tc.file+"}"), 0o600); err != nil {
				t.Fatal(err)
			}
			environ := []string{tc.environment}
			if tc.want == "" {
				environ = append(environ, "CONNECTOR_DATABASE__DSNFILE="+inFile)
			}
			got, err := config.Load(path, environ)
			if tc.want == "" {
				if err == nil || !strings.Contains(err.Error(), "set only one of them") {
					t.Errorf("Load() with both in one place = %v, want a refusal", err)
				}
				return
			}
			if err != nil || !strings.Contains(got.Database.DSN.Reveal(), ":"+tc.want+"@") {
				t.Errorf("Load() = %v, want the %s value", err, tc.want)
			}
			if n := strings.Count(strings.Join(got.Warnings, "\n"), tc.warning); n != 1 {
				t.Errorf("the warnings %q say %d times that %q, want once", got.Warnings, n, tc.warning)
			}
		})
	}
}
