package panel

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// runtimeRoot is the path at which real panels serve the library for screens (docs/reference/aps-ui.md §2.1).
const runtimeRoot = "/aps/2/ui/runtime/client/aps/"

// transactionHeader carries the number of a call in the platform's log (docs/reference/aps-protocol.md §1.1).
const transactionHeader = "APS-Transaction-ID"

// bodyLimit is larger than the body of any operation.
const bodyLimit = 1 << 20

//go:embed page runtime
var assets embed.FS

// Config configures a panel.
type Config struct {
	Backend Backend // required

	// Brand is the name in the header. Default: "Larkfield Cloud Marketplace".
	Brand string

	// Drawer controls the side drawer. Default: no drawer.
	Drawer DrawerControls

	// Secure marks the session cookie for https only. Default: false.
	Secure bool

	// Log receives errors of the backend. Default: discard.
	Log *slog.Logger
}

// New returns a handler that serves the panel. It serves the page at /, its own API under /panel/, the library for screens, the
// files of packages under /aps/2/packages/{id}/, and operations under /aps/2/resources/{id}/.
func New(cfg Config) (http.Handler, error) {
	if cfg.Backend == nil {
		return nil, errors.New("panel: a backend is required")
	}
	if cfg.Brand == "" {
		cfg.Brand = "Larkfield Cloud Marketplace"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	layer, err := runtimeLayer()
	if err != nil {
		return nil, err
	}
	page, err := pageScript()
	if err != nil {
		return nil, err
	}
	s := &server{cfg: cfg, number: 1 + rand.IntN(1<<15), sessions: map[string]session{}, read: map[string]readSet{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.asset("page/index.html"))
	mux.HandleFunc("GET /panel/home.html", s.asset("page/home.html"))
	mux.HandleFunc("GET /panel/panel.css", s.asset("page/panel.css"))
	mux.HandleFunc("GET /panel/panel.js", script(page))
	mux.HandleFunc("GET "+runtimeRoot+"aps.css", s.asset("runtime/aps.css"))
	mux.HandleFunc("GET "+runtimeRoot+"aps.js", script(layer))
	mux.HandleFunc("GET /panel/api/session", s.readSession)
	mux.HandleFunc("POST /panel/api/session", s.logIn)
	mux.HandleFunc("GET /panel/api/navigation", s.withUser(s.navigation))
	mux.HandleFunc("GET /panel/api/context", s.withUser(s.context))
	mux.HandleFunc("GET /panel/api/tiles", s.withUser(s.tiles))
	mux.HandleFunc("GET /panel/api/news", s.withUser(s.showNews))
	mux.HandleFunc("POST /panel/api/notifications", s.withUser(s.withToken(s.readNotifications)))
	if cfg.Drawer != nil {
		mux.HandleFunc("GET /panel/api/drawer", s.withUser(s.showDrawer))
		mux.HandleFunc("POST /panel/api/drawer", s.withUser(s.withToken(s.useDrawer)))
		mux.HandleFunc("POST /panel/api/mails", s.withUser(s.withToken(s.readMails)))
	}
	mux.HandleFunc("GET /aps/2/packages/{package}/{file...}", s.file)
	mux.HandleFunc("/aps/2/resources/{id}", s.withUser(s.withToken(s.operation)))
	mux.HandleFunc("/aps/2/resources/{id}/{operation...}", s.withUser(s.withToken(s.operation)))
	return http.NewCrossOriginProtection().Handler(headers(compress(mux))), nil
}

// runtimeLayer joins the library's modules into the script that screens load. The loader comes first.
func runtimeLayer() ([]byte, error) {
	files, err := fs.Glob(assets, "runtime/*.js")
	if err != nil {
		return nil, fmt.Errorf("listing the runtime: %w", err)
	}
	slices.SortStableFunc(files, func(a, b string) int {
		return strings.Compare(loaderFirst(a), loaderFirst(b))
	})
	return joined(files...)
}

// joined concatenates scripts.
func joined(files ...string) ([]byte, error) {
	var all bytes.Buffer
	for _, name := range files {
		content, err := assets.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading the panel's scripts: %w", err)
		}
		all.Write(content)
	}
	return all.Bytes(), nil
}

func script(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, "text/javascript; charset=utf-8", content)
	}
}

func loaderFirst(name string) string {
	if path.Base(name) == "loader.js" {
		return ""
	}
	return name
}

// A server serves the panel. It is safe for concurrent use.
type server struct {
	cfg    Config
	number int          // prefix of transaction numbers
	calls  atomic.Int64 // how many transaction numbers were assigned

	mu       sync.Mutex
	sessions map[string]session // cookie → session; guarded by mu
	read     map[string]readSet // user ID or mailbox → what was read; guarded by mu
}

// headers adds headers that keep other sites from framing the panel, and browsers from caching its answers.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "SAMEORIGIN")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}

func (s *server) asset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, assets, name)
	}
}

// file serves the files of a package that screens load, and no others.
func (s *server) file(w http.ResponseWriter, r *http.Request) {
	name := path.Clean(r.PathValue("file"))
	if top, _, _ := strings.Cut(name, "/"); !slices.Contains([]string{"ui", "i18n", "images", "APP-META.xml"}, top) {
		http.NotFound(w, r)
		return
	}
	files, err := s.cfg.Backend.Files(r.Context(), r.PathValue("package"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	http.ServeFileFS(w, r, files, name)
}

// operation passes a screen's call to the backend.
func (s *server) operation(w http.ResponseWriter, r *http.Request, in session) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	if err != nil {
		writeError(w, http.StatusRequestEntityTooLarge, "APS::Exception", "The request is too large.")
		return
	}
	answer, err := s.cfg.Backend.Call(r.Context(), in.user.ID, Call{
		Method:     r.Method,
		ResourceID: r.PathValue("id"),
		Path:       r.PathValue("operation"),
		Query:      r.URL.RawQuery,
		Body:       body,
		Locale:     r.Header.Get("APS-Locale"),
	})
	transaction := answer.Header.Get(transactionHeader)
	if transaction == "" {
		transaction = fmt.Sprintf("%d-%d", s.number, s.calls.Add(1))
	}
	w.Header().Set(transactionHeader, transaction)
	if err != nil || answer.Status >= http.StatusInternalServerError {
		s.cfg.Log.WarnContext(r.Context(), "connector unreachable", "transaction", transaction, "status", answer.Status, "err", err)
	}
	if err != nil {
		writeError(w, http.StatusBadGateway, "APS::Hosting::Exception", "The application endpoint could not be reached.")
		return
	}
	contentType := answer.Header.Get("Content-Type")
	if contentType == "" {
		contentType = "application/json"
	}
	write(w, answer.Status, contentType, answer.Body)
}

// fail answers with an error of the backend.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		http.NotFound(w, r)
		return
	}
	s.cfg.Log.ErrorContext(r.Context(), "panel", "path", r.URL.Path, "err", err)
	writeError(w, http.StatusInternalServerError, "APS::Exception", "The platform could not answer.")
}

func writeError(w http.ResponseWriter, status int, kind, message string) {
	writeJSON(w, status, map[string]any{"code": status, "error": kind, "message": message})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, "not JSON", http.StatusInternalServerError)
		return
	}
	write(w, status, "application/json", body)
}

func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only if the browser closed the connection
}
