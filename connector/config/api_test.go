package config_test

import (
	"strings"
	"testing"

	"azure-partner-connector/connector/config"
)

func TestLoad_RefusesUnsafeTokenAPIs(t *testing.T) {
	for name, tc := range map[string]struct{ api, key, problem string }{
		"reachable":        {`listen: ":8082", publicURL: "https://tokens.example.com"`, "api.listen", "without encryption"},
		"no public URL":    {`listen: "127.0.0.1:8082"`, "api.publicURL", "missing"},
		"no listener":      {`publicURL: "https://tokens.example.com"`, "api.publicURL", "no effect without api.listen"},
		"plain http":       {`listen: "127.0.0.1:8082", publicURL: "http://tokens.example.com"`, "api.publicURL", "must be https"},
		"an address taken": {`listen: "127.0.0.1:9090", publicURL: "http://localhost:9090"`, "api.listen", "already used by private.listen"},
		"half of TLS":      {`listen: ":8082", publicURL: "https://tokens.example.com", tls: {certFile: c.pem}`, "api.tls.keyFile", "both or neither"},
	} {
		_, err := config.Load(write(t, "config.yaml", valid+"api: {"+tc.api+"}", 0o600), nil)
		if got := problems(t, err); len(got) != 1 || !strings.Contains(got[tc.key], tc.problem) {
			t.Errorf("Load of %s = %v, want a problem of %s: %s", name, err, tc.key, tc.problem)
		}
	}
}

// TestLoad_AdmitsSafeTokenAPIs loads listeners of the token API whose clients nobody can overhear.
func TestLoad_AdmitsSafeTokenAPIs(t *testing.T) {
	certFile, keyFile := certificate(t)
	for name, settings := range map[string]string{
		"this machine":  `listen: "127.0.0.1:8082"`,
		"a proxy":       `listen: ":8082", trustedProxies: [192.0.2.7]`,
		"a certificate": `listen: ":8082", tls: {certFile: ` + certFile + `, keyFile: ` + keyFile + `}`,
	} {
		cfg, err := config.Load(write(t, "config.yaml", valid+"api: {publicURL: 'https://tokens.example.com/', "+settings+"}", 0o600), nil)
		if err != nil || !cfg.API.Enabled() || cfg.API.PublicURL != "https://tokens.example.com" {
			t.Errorf("Load of %s = %+v, %v, want a token API", name, cfg.API, err)
		}
	}
}

// TestLoad_ChecksTheEgress checks the egress as the token API, and its own keys.
func TestLoad_ChecksTheEgress(t *testing.T) {
	for name, tc := range map[string]struct{ egress, key, problem string }{
		"reachable":     {`listen: ":8083", publicURL: "https://egress.example.com"`, "egress.listen", "egress.tls"},
		"no listener":   {`publicURL: "https://egress.example.com"`, "egress.publicURL", "no effect without egress.listen"},
		"another audit": {`audit: hour`, "egress.audit", "must be each or minute"},
		"no time":       {`timeout: 0s`, "egress.timeout", ""},
		"no bodies":     {`maxRequest: 0`, "egress.maxRequest", ""},
	} {
		_, err := config.Load(write(t, "config.yaml", valid+"egress: {"+tc.egress+"}", 0o600), nil)
		if got := problems(t, err); len(got) != 1 || !strings.Contains(got[tc.key], tc.problem) || got[tc.key] == "" {
			t.Errorf("Load of %s = %v, want a problem of %s: %s", name, err, tc.key, tc.problem)
		}
	}
	cfg, err := config.Load(write(t, "config.yaml", valid+`egress: {listen: "127.0.0.1:8083", publicURL: "https://egress.example.com/"}`, 0o600), nil)
	if err != nil || !cfg.Egress.Enabled() || cfg.Egress.PublicURL != "https://egress.example.com" || cfg.Egress.Audit != config.AuditMinute {
		t.Errorf("Load = %+v, %v, want an egress", cfg.Egress, err)
	}
}
