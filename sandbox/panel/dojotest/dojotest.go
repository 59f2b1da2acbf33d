// Package dojotest serves the panel with real Dojo instead of the panel's own small loader and classes, so that screens run
// on dojo, dijit and dojox from npm. The platform's own modules are not published; this package builds them on Dojo and
// Dijit, as the platform does.
package dojotest

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"azure-partner-connector/sandbox/npm"
	"azure-partner-connector/sandbox/panel"
)

// Version is the version of dojo, dijit and dojox.
const Version = "1.17.3"

// client is the path at which panels serve the SDK and its Dojo (docs/reference/aps-ui.md §2.1).
const client = "/aps/2/ui/runtime/client/"

//go:embed npm/package.json npm/package-lock.json
var pinned embed.FS

//go:embed all:aps
var modules embed.FS

// Config configures a Panel.
type Config struct {
	Backend panel.Backend // required

	// Listener is where the panel is served: its origin may have to be known before. Default: a free loopback port.
	Listener net.Listener

	// Sync makes Dojo load modules one after the other, as it does without its option async. Default: async.
	Sync bool

	// Intercept receives every call of an operation first, with its method and its path below the resource. If it
	// returns true, it has answered instead of the platform. It must be safe for concurrent use. Default: none.
	Intercept func(w http.ResponseWriter, method, operation string) bool
}

// A Panel is served until its test ends. Its methods are safe for concurrent use.
type Panel struct {
	URL string

	folder string // node_modules
	cfg    Config

	mu      sync.Mutex
	fetched map[string]int // path below client → status; guarded by mu
	calls   map[string]int // method and operation → how often it was called; guarded by mu
}

// Serve serves a panel for the screens of cfg.Backend's packages.
func Serve(t testing.TB, cfg Config) *Panel {
	t.Helper()
	files, err := fs.Sub(pinned, "npm")
	if err != nil {
		t.Fatal(err)
	}
	own, err := panel.New(panel.Config{Backend: cfg.Backend})
	if err != nil {
		t.Fatal(err)
	}
	p := &Panel{
		folder:  filepath.Join(npm.Install(t, "dojo", files), "node_modules"),
		cfg:     cfg,
		fetched: map[string]int{},
		calls:   map[string]int{},
	}
	mux := http.NewServeMux()
	mux.Handle("/", p.count(own))
	mux.Handle("GET "+client+"aps/aps.css", own)
	mux.HandleFunc("GET "+client+"aps/aps.js", p.boot)
	mux.Handle("GET "+client+"aps/{module...}", p.record(http.HandlerFunc(module)))
	for _, name := range []string{"dojo", "dijit", "dojox"} {
		mux.Handle("GET "+client+name+"/", p.record(http.StripPrefix(client, http.FileServer(http.Dir(p.folder)))))
	}
	server := httptest.NewUnstartedServer(mux)
	if cfg.Listener != nil {
		if err := server.Listener.Close(); err != nil {
			t.Error(err)
		}
		server.Listener = cfg.Listener
	}
	server.Start()
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

// boot serves the script that pages of packages load: the configuration, then Dojo's own loader.
func (p *Panel) boot(w http.ResponseWriter, r *http.Request) {
	ours, err := modules.ReadFile("aps/boot.js")
	if err == nil {
		var loader []byte
		if loader, err = os.ReadFile(filepath.Join(p.folder, "dojo", "dojo.js")); err == nil {
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
			fmt.Fprintf(w, "window.apsLoader = { async: %t };\n%s\n%s", !p.cfg.Sync, ours, loader)
			return
		}
	}
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

// module serves a module of the SDK. The modules that communicate with the page around the frame are the panel's own, as
// without Dojo.
func module(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("module")
	switch name {
	case "_frame.js", "_dashboard.js":
		http.ServeFile(w, r, filepath.Join("..", "runtime", strings.TrimPrefix(name, "_")))
	default:
		http.ServeFileFS(w, r, modules, "aps/"+name)
	}
}

// record records which files of the SDK and of Dojo browsers fetch, and lets browsers cache them, because they do not
// change.
func (p *Panel) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		answer := &status{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(answer, r)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.fetched[strings.TrimPrefix(r.URL.Path, client)] = answer.code
	})
}

type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// count counts calls of operations, and lets the test answer them.
func (p *Panel) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if below, ok := strings.CutPrefix(r.URL.Path, "/aps/2/resources/"); ok {
			_, operation, _ := strings.Cut(below, "/")
			operation, _, _ = strings.Cut(operation, "/")
			p.mu.Lock()
			p.calls[r.Method+" "+operation]++
			p.mu.Unlock()
			if p.cfg.Intercept != nil && p.cfg.Intercept(w, r.Method, operation) {
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// Called returns how often an operation was called with a method. It ignores the rest of the path.
func (p *Panel) Called(method, operation string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[method+" "+operation]
}

// Fetched returns the files that browsers have received, below the folder of the SDK and of Dojo, for example dojo/when.js.
func (p *Panel) Fetched() []string {
	return p.answered(func(code int) bool { return code == http.StatusOK })
}

// Missing returns the files that browsers have requested but not received.
func (p *Panel) Missing() []string { return p.answered(func(code int) bool { return code >= 400 }) }

func (p *Panel) answered(is func(code int) bool) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []string
	for _, path := range slices.Sorted(maps.Keys(p.fetched)) {
		if is(p.fetched[path]) {
			found = append(found, path)
		}
	}
	return found
}

// Exists reports whether the npm packages have the module with an id, for example dojo/when.
func (p *Panel) Exists(id string) bool {
	_, err := os.Stat(filepath.Join(p.folder, filepath.FromSlash(id)+".js"))
	return !errors.Is(err, fs.ErrNotExist)
}
