package microsoft

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"

	"github.com/google/uuid"
)

//go:embed pages/*.html pages/style.css
var pageFiles embed.FS

// pageTemplates returns the pages by name, each within the layout. They are parsed once and never change.
var pageTemplates = parsePages("account", "approval", "consent", "error", "formpost", "mfa", "notice", "password", "pick", "register")

func parsePages(names ...string) map[string]*template.Template {
	pages := make(map[string]*template.Template)
	for _, name := range names {
		pages[name] = template.Must(template.ParseFS(pageFiles, "pages/layout.html", "pages/"+name+".html"))
	}
	return pages
}

// A view is the data of a page.
type view struct {
	Title  string
	Action string // of the form
	Flow   string
	Alert  string

	Account   string
	Accounts  []string
	Listed    []listing // accounts of the directory to fill in
	Elsewhere []listing // accounts of other directories
	Password  string    // filled in
	Directory string
	External  bool // the second factor belongs to another organization
	Federated bool

	Application  string
	Publisher    string
	Permissions  []permissionView
	Organization bool // show the check box
	Whole        bool // the consent is for the organization anyway

	Correlation, Timestamp string
	Fields                 url.Values // of the form that submits itself
	Style                  template.CSS
	Nonce                  string // of the only script
}

type permissionView struct{ API, Name, Title, Detail string }

var stepTitles = map[step]string{
	stepPick: "Pick an account", stepAccount: "Sign in", stepPassword: "Enter password", stepRegister: "More information required",
	stepMFA: "Approve sign-in request", stepApproval: "Need admin approval", stepConsent: "Permissions requested",
}

// page renders the flow's current step.
func (f *flow) page(alert string, accounts ...string) reply {
	v := view{
		Title: stepTitles[f.step], Action: "/" + url.PathEscape(f.tenant) + "/signin/" + string(f.step), Flow: f.id, Alert: alert,
		Account: f.hint, Accounts: accounts, Application: f.app.Name, Publisher: f.app.Publisher,
	}
	if f.directory != nil {
		v.Directory = f.directory.Name
	}
	if f.step == stepPick && len(accounts) == 0 { // after the browser's Back
		f.step = stepAccount
		return f.page(alert)
	}
	if f.user != nil {
		v.Account, v.External, v.Federated = f.user.UPN, f.user.MFA == MFAExternal, f.user.Federated
		if f.filled && f.step == stepPassword {
			v.Password = f.user.Password
		}
		v.Whole = f.prompt == "admin_consent" || f.adminOnly
		v.Organization = f.user.GlobalAdmin && !v.Whole
	}
	if f.step == stepConsent || f.step == stepApproval {
		for _, item := range f.wanted() {
			v.Permissions = append(v.Permissions, permissionView{string(item.host), item.name, item.permission.title, item.permission.detail})
		}
		for _, name := range f.scopes.oidc {
			p := oidcPermissions[name]
			v.Permissions = append(v.Permissions, permissionView{"openid", name, p.title, p.detail})
		}
	}
	return reply{status: http.StatusOK, page: string(f.step), view: v}
}

// write sends a reply. The pages load nothing from elsewhere and cannot be framed.
func (s *Simulator) write(w http.ResponseWriter, r *http.Request, answer reply) {
	entryOf(r).ErrorCode = answer.code
	if answer.cookie != nil {
		http.SetCookie(w, answer.cookie)
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store, no-cache")
	header.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	// The window that opened these pages sees them as closed (docs/reference/microsoft-identity.md §9).
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	if answer.location != "" {
		header.Set("Location", answer.location)
		w.WriteHeader(answer.status)
		return
	}
	style, err := pageFiles.ReadFile("pages/style.css")
	if err == nil {
		answer.view.Style, answer.view.Nonce = template.CSS(style), uuid.NewString()
		var page bytes.Buffer
		if err = pageTemplates[answer.page].ExecuteTemplate(&page, "layout", answer.view); err == nil {
			header.Set("Content-Type", "text/html; charset=utf-8")
			header.Set("Content-Security-Policy", "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'nonce-"+answer.view.Nonce+"'; frame-ancestors 'none'")
			header.Set("X-Frame-Options", "DENY")
			w.WriteHeader(answer.status)
			w.Write(page.Bytes())
			return
		}
	}
	s.cfg.Log.Error("rendering a page", "page", answer.page, "error", err)
	http.Error(w, "The page cannot be shown.", http.StatusInternalServerError)
}
