package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestProxy_WaitsForTheChecksOfAConsent compares how long the sample and the guide let a proxy wait with what the checks of a
// consent may take.
func TestProxy_WaitsForTheChecksOfAConsent(t *testing.T) {
	seconds := func(pattern string, path ...string) int {
		t.Helper()
		name := filepath.Join(append([]string{root}, path...)...)
		found := regexp.MustCompile(pattern).FindStringSubmatch(read(t, name))
		if found == nil {
			t.Fatalf("%s has no %s", name, pattern)
		}
		n, err := strconv.Atoi(found[1])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	takes := seconds(`acceptTimeout = (\d+) \* time\.Second`, "connector", "consent", "complete.go")
	least := seconds(`wait at least (\d+) seconds for an answer of the onboarding pages`, "docs/guides/proxy.md")
	if least <= takes {
		t.Errorf("the guide wants a proxy to wait for %d seconds, want more than the %d that a consent may take", least, takes)
	}
	for sample, pattern := range map[string]string{
		"nginx.conf": `proxy_read_timeout (\d+)s;`, "Caddyfile": `response_header_timeout (\d+)s`, "haproxy.cfg": `timeout server (\d+)s`,
	} {
		if waits := seconds(pattern, "deploy", "proxy", sample); waits < least {
			t.Errorf("%s waits for %d seconds, less than the %d of the guide", sample, waits, least)
		}
	}
}

// TestProxy_InteropCommandsOfTheGuideWork runs the commands of the guide with the real programs, in a folder that stands for /. What
// needs root or systemd is left to stand-ins.
func TestProxy_InteropCommandsOfTheGuideWork(t *testing.T) {
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin") // where Debian has servers
	guide := read(t, "guides/proxy.md")
	for heading, files := range map[string][2]string{ // the sample, and what is made of it
		"nginx": {"nginx.conf", "/etc/nginx/nginx.conf"}, "Caddy": {"Caddyfile", "/etc/caddy/Caddyfile"}, "HAProxy": {"haproxy.cfg", "/etc/haproxy/haproxy.cfg"},
	} {
		t.Run(heading, func(t *testing.T) {
			found := regexp.MustCompile("(?s)\n## " + heading + "\n.*?```sh\n(.*?)```").FindStringSubmatch(guide)
			if found == nil {
				t.Fatalf("the guide has no commands for %s", heading)
			}
			m := &machine{T: t, root: t.TempDir()}
			chain := m.certificate()
			m.write("/work/tls.pem", string(chain))
			key, err := os.ReadFile(m.path("/root/tls.key"))
			m.must(err)
			m.write("/work/tls.key", string(key))
			m.must(os.MkdirAll(m.path(filepath.Dir(files[1])), 0o755))
			m.must(os.MkdirAll(m.path("/var/log/nginx"), 0o755))
			sample := strings.NewReplacer("listen 443", "listen "+strings.TrimPrefix(freePort(t), ":"),
				"\nhttp {", "\nhttp {\n    access_log off;\n    client_body_temp_path body;\n    proxy_temp_path proxy;\n    fastcgi_temp_path f;\n    uwsgi_temp_path u;\n    scgi_temp_path s;").
				Replace(read(t, filepath.Join(root, "deploy", "proxy", files[0])))
			m.write("/usr/share/azure-partner-connector/proxy/"+files[0], m.here(sample))

			commands := m.TempDir()
			nginx, _ := exec.LookPath("nginx")
			for name, text := range map[string]string{
				"systemctl": "#!/bin/sh\n[ \"$1 $2\" = 'reload " + strings.ToLower(heading) + "' ]\n",
				"chgrp":     "#!/bin/sh\n[ \"$1 $2\" = '-R caddy' ] && [ -d \"$3\" ]\n",
				"nginx":     "#!/bin/sh\nexec " + nginx + " -p " + m.root + " -e " + m.path("error.log") + " -c " + m.path(files[1]) + " -g 'pid " + m.path("nginx.pid") + ";' \"$@\"\n",
			} {
				m.must(os.WriteFile(filepath.Join(commands, name), []byte(text), 0o755))
			}
			shell := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", m.here(found[1]))
			shell.Dir = m.path("/work")
			shell.Env = append(os.Environ(), "PATH="+commands+":"+os.Getenv("PATH"), "HOME="+m.root)
			if out, err := shell.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			made, err := os.ReadFile(m.path(files[1]))
			m.must(err)
			for _, want := range []string{"10.0.0.11:8080", "10.0.0.12:8080", "10.0.0.11:8081", "10.0.0.12:8081"} {
				if !strings.Contains(string(made), want) {
					t.Errorf("%s has no %s", files[1], want)
				}
			}
		})
	}
}

// TestProxy_LogsNoLink looks into the sample's format of the access log.
func TestProxy_LogsNoLink(t *testing.T) {
	sample := read(t, filepath.Join(root, "deploy", "proxy", "nginx.conf"))
	format := regexp.MustCompile(`log_format \w+ '(.*)';`).FindStringSubmatch(sample)
	if format == nil {
		t.Fatal("the sample has no log_format, so it logs whole addresses")
	}
	for _, variable := range []string{"$uri", "$request_uri", "$request ", "$request\"", "$args", "$query_string", "$http_referer"} {
		if strings.Contains(format[1], variable) {
			t.Errorf("the sample logs %s, which may hold a link or a code", variable)
		}
	}
	if !strings.Contains(sample, `"~/consent/" /consent/-;`) || strings.Count(sample, "access_log") != 1 {
		t.Error("the sample does not hide the links in the path")
	}
}
