package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/secret"
)

func TestLoad_WarnsOfWhatIsExposed(t *testing.T) {
	certFile, keyFile := certificate(t)
	files := t.TempDir()
	database, readable := filepath.Join(files, "data.db"), filepath.Join(files, "key.pem")
	for path, mode := range map[string]os.FileMode{database: 0o644, readable: 0o644} {
		text, err := os.ReadFile(keyFile)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		environ []string
		want    string // part of the only warning; empty for none
	}{
		"nothing":                {nil, ""},
		"plain hooks":            {[]string{"HOOKS__LISTEN=:8080"}, "hooks.listen is :8080 without TLS"},
		"plain on one address":   {[]string{"ONBOARDING__LISTEN=10.0.0.7:8081"}, "onboarding.listen is 10.0.0.7:8081 without TLS"},
		"IPv6 loopback":          {[]string{"ONBOARDING__LISTEN=[::1]:8081"}, ""},
		"with TLS":               {[]string{"HOOKS__LISTEN=:8080", "HOOKS__TLS__CERTFILE=" + certFile, "HOOKS__TLS__KEYFILE=" + keyFile}, ""},
		"readable key of TLS":    {[]string{"HOOKS__TLS__CERTFILE=" + certFile, "HOOKS__TLS__KEYFILE=" + readable}, "hooks.tls.keyFile"},
		"plain token API":        {[]string{"API__LISTEN=:8082", "API__PUBLICURL=https://api.example.com", "API__TRUSTEDPROXIES=10.0.0.2"}, "api.listen is :8082 without TLS"},
		"plain egress":           {[]string{"EGRESS__LISTEN=10.0.0.7:8083", "EGRESS__PUBLICURL=https://egress.example.com", "EGRESS__TRUSTEDPROXIES=10.0.0.2"}, "egress.listen is 10.0.0.7:8083 without TLS"},
		"token API here":         {[]string{"API__LISTEN=127.0.0.1:8082", "API__PUBLICURL=https://api.example.com", "API__TRUSTEDPROXIES=127.0.0.1"}, ""},
		"private listener":       {[]string{"PRIVATE__LISTEN=:9090"}, "private.listen is :9090"},
		"key file at database":   {[]string{"DATABASE__PATH=keys/connector.db"}, "keys.file is in the folder of the database"},
		"the same, written else": {[]string{"DATABASE__PATH=./other/../keys/connector.db"}, "keys.file is in the folder of the database"},
		"readable database":      {[]string{"DATABASE__PATH=" + database}, "database.path"},
	} {
		t.Run(name, func(t *testing.T) {
			var environ []string
			for _, variable := range tc.environ {
				environ = append(environ, "CONNECTOR_"+variable)
			}
			got, err := config.Load(write(t, "config.yaml", valid, 0o600), environ)
			if err != nil {
				t.Fatalf("Load() = %v", err)
			}
			switch {
			case tc.want == "" && len(got.Warnings) > 0:
				t.Errorf("Load() warns %q, want no warning", got.Warnings)
			case tc.want != "" && (len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], tc.want)):
				t.Errorf("Load() warns %q, want only %q", got.Warnings, tc.want)
			}
		})
	}
}

func TestLoad_WarnsOfListenersThatAreNotSet(t *testing.T) {
	text := strings.NewReplacer(`, listen: "127.0.0.1:8080"`, "", `, listen: "127.0.0.1:8081"`, "").Replace(valid)
	got, err := config.Load(write(t, "config.yaml", text, 0o600), nil)
	if err != nil || got.Hooks.Listen != ":8080" || got.Onboarding.Listen != ":8081" {
		t.Fatalf("Load() listens on %q and %q, %v, want the defaults of this release", got.Hooks.Listen, got.Onboarding.Listen, err)
	}
	if len(got.Warnings) != 2 || !strings.Contains(got.Warnings[0], "hooks.listen is not set") || !strings.Contains(got.Warnings[1], "onboarding.listen is not set") {
		t.Errorf("Load() warns %q, want warnings of both listeners", got.Warnings)
	}
	if got, err = config.Load(write(t, "config.yaml", text, 0o600), []string{"CONNECTOR_HOOKS__LISTEN=127.0.0.1:1", "CONNECTOR_ONBOARDING__LISTEN=127.0.0.1:2"}); err != nil || len(got.Warnings) > 0 {
		t.Errorf("Load() with the listeners in the environment warns %q, %v, want no warning", got.Warnings, err)
	}
}

// TestLoad_WarnsOfHistoryThatIsKeptForever loads what does not say for how long: it keeps what it has.
func TestLoad_WarnsOfHistoryThatIsKeptForever(t *testing.T) {
	text := strings.Replace(valid, "retention: {events: 9600h}\n", "", 1)
	for name, tc := range map[string]struct {
		text, variable string
		warns          bool
	}{
		"nothing":        {text, "", true},
		"only the group": {text + "retention: {}\n", "", true},
		"forever":        {text + "retention: {events: 0s}\n", "", false},
		"a variable":     {text, "CONNECTOR_RETENTION__EVENTS=0s", false},
	} {
		got, err := config.Load(write(t, "config.yaml", tc.text, 0o600), []string{tc.variable})
		if err != nil || got.Retention.Events != 0 {
			t.Fatalf("Load() with %s = %s, %v, want that events are kept", name, got.Retention.Events, err)
		}
		if warns := len(got.Warnings) == 1 && strings.Contains(got.Warnings[0], "retention.events is not set"); warns != tc.warns || !warns && len(got.Warnings) > 0 {
			t.Errorf("Load() with %s warns %q, want a warning: %t", name, got.Warnings, tc.warns)
		}
	}
}

func TestLoad_RefusesASecretOfTwoInstances(t *testing.T) {
	second := "  - {key: second, secret: " + canary + "-of-the-second}\n"
	for name, text := range map[string]string{
		"the same":               valid + "  - {key: second, secret: " + canary + "-0123456789}\n",
		"the previous one":       valid + "  - {key: second, secret: " + canary + "-of-the-second, previousSecret: " + canary + "-0123456789}\n",
		"previous ones":          strings.Replace(valid, "key: first,", "key: first, previousSecret: "+canary+"-of-yesterday,", 1) + "  - {key: second, secret: " + canary + "-of-the-second, previousSecret: " + canary + "-of-yesterday}\n",
		"the third of the first": valid + second + "  - {key: third, secret: " + canary + "-0123456789}\n",
	} {
		_, err := config.Load(write(t, "config.yaml", text, 0o600), nil)
		got := problems(t, err)
		if len(got) != 1 || !strings.Contains(got["instances[1].secret"]+got["instances[2].secret"], "also a secret of instances[0]") || strings.Contains(err.Error(), canary) {
			t.Errorf("Load() with %s = %v, want one problem", name, err)
		}
	}
	if _, err := config.Load(write(t, "config.yaml", valid+second, 0o600), nil); err != nil {
		t.Errorf("Load() with two secrets = %v", err)
	}
}

func TestWeakness_FindsSecretsThatAreNotRandom(t *testing.T) {
	for text, strong := range map[string]bool{
		"aaaaaaaaaaaaaaaa": false,
		"f3b1c9d27e5a4860": false, // random, but short
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":                 false,
		"abababababababababababababababababababab":                         false,
		"0123456789abcdef0123456789abcdef0123456789abcdef":                 false,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ":             false,
		"11111111112222222222333333333344444444445555555555":               false,
		"9f86d081884c7d659a2feaa0c55ad015":                                 true, // 32 hexadecimal digits
		"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08": true,
		"Zk3vQ8sT1xYb6RnW4uJc9LdPa0MgEfHi7oK2":                             true,
	} {
		if got := config.Weakness(secret.New(text)); (got == "") != strong || strings.Contains(got, text) {
			t.Errorf("Weakness(%q) = %q, want strong: %t", text, got, strong)
		}
	}
}
