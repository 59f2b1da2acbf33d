package message

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	texttemplate "text/template"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/token"
)

//go:embed templates/*.tmpl
var builtIn embed.FS

const (
	suffix = ".tmpl"
	// maxTemplate bounds the size of a template, and maxText that of what one writes.
	maxTemplate = 256 << 10
	maxText     = 1 << 20
)

// The parts of a mail, each with its templates.
const (
	partSubject = "subject"
	partText    = "text"
	partHTML    = "html"
)

// digest begins the names of the templates of mails with several notices, in the place of a kind.
const digest = "digest"

// A Text is a notice as a mail has it.
type Text struct{ Subject, Plain, HTML string }

// Templates write notices as mails. They are safe for concurrent use.
type Templates struct {
	byName map[string]executor
}

type executor interface {
	Execute(w io.Writer, data any) error
}

// LoadTemplates returns the built-in templates, in place of which those files of a folder are used that are named
// [KIND.][LANGUAGE.]PART.tmpl. PART is subject, text or html; the most specific file wins, and a kind is more specific than a
// language. digest in the place of the kind is for mails with several notices. Each template is tried with a notice of each kind in
// each language that it may get. own may be nil.
func LoadTemplates(own fs.FS) (*Templates, error) {
	t := &Templates{map[string]executor{}}
	embedded, err := fs.Sub(builtIn, "templates")
	if err != nil {
		return nil, fmt.Errorf("notify: %w", err)
	}
	if err := t.read(embedded); err != nil {
		return nil, err
	}
	if own == nil {
		return t, nil
	}
	if err := t.read(own); err != nil {
		return nil, err
	}
	if err := t.try(); err != nil {
		return nil, err
	}
	return t, nil
}

// BuiltIn returns the sources of the built-in templates, by the names of their files, in order.
func BuiltIn() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, part := range []string{partSubject, partText, partHTML, digest + "." + partSubject, digest + "." + partText, digest + "." + partHTML} {
			source, err := builtIn.ReadFile("templates/" + part + suffix)
			if err != nil || !yield(part+suffix, source) { // embedded files can be read
				return
			}
		}
	}
}

// read adds the templates of a folder.
func (t *Templates) read(files fs.FS) error {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return fmt.Errorf("notify: reading the templates: %w", err)
	}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), suffix)
		if !ok || strings.HasPrefix(name, ".") || entry.IsDir() {
			continue // a README, or what an editor leaves
		}
		part, ok := partOf(name)
		if !ok {
			return fmt.Errorf("notify: %s is no template's name: [KIND.][LANGUAGE.]PART.tmpl, with the part subject, text or html", entry.Name())
		}
		if info, err := entry.Info(); err == nil && info.Size() > maxTemplate {
			return fmt.Errorf("notify: the template %s has more than %d KiB", entry.Name(), maxTemplate>>10)
		}
		source, err := fs.ReadFile(files, entry.Name())
		if err != nil {
			return fmt.Errorf("notify: reading the templates: %w", err)
		}
		if t.byName[name], err = parse(entry.Name(), part, string(source)); err != nil {
			return fmt.Errorf("notify: %w", err)
		}
	}
	return nil
}

func parse(file, part, source string) (executor, error) {
	if part == partHTML {
		return htmltemplate.New(file).Funcs(Functions()).Option("missingkey=error").Parse(source)
	}
	return texttemplate.New(file).Funcs(Functions()).Option("missingkey=error").Parse(source)
}

// Functions returns what templates can call besides the functions of text/template.
func Functions() map[string]any {
	return map[string]any{
		"date": notify.ShownTime,
		"join": func(separator string, lines []string) string { return strings.Join(lines, separator) },
	}
}

// partOf returns the part of a template's name without its suffix, if the name is one.
func partOf(name string) (part string, ok bool) {
	fields := strings.Split(name, ".")
	part = fields[len(fields)-1]
	if !slices.Contains([]string{partSubject, partText, partHTML}, part) {
		return "", false
	}
	fields = fields[:len(fields)-1]
	if len(fields) > 0 && (fields[0] == digest || slices.Contains(notify.Kinds(), notify.Kind(fields[0]))) {
		fields = fields[1:]
	}
	if len(fields) > 0 && slices.Contains(Languages(), fields[0]) {
		fields = fields[1:]
	}
	return part, len(fields) == 0
}

// Write writes n in a language.
func (t *Templates) Write(n notify.Notice, language string) (Text, error) {
	v, err := ViewOf(n, language)
	if err != nil {
		return Text{}, err
	}
	return t.write(v, []string{v.Kind + "." + v.Language + ".", v.Kind + ".", v.Language + ".", ""})
}

// WriteDigest writes several notices in a language.
func (t *Templates) WriteDigest(notices []notify.Notice, language string) (Text, error) {
	d, err := DigestOf(notices, language)
	if err != nil {
		return Text{}, err
	}
	return t.write(d, []string{digest + "." + d.Language + ".", digest + "."})
}

// write writes the parts of a mail, each by the first template that there is.
func (t *Templates) write(v any, prefixes []string) (Text, error) {
	var text Text
	for _, part := range []struct {
		name string
		into *string
	}{{partSubject, &text.Subject}, {partText, &text.Plain}, {partHTML, &text.HTML}} {
		i := slices.IndexFunc(prefixes, func(prefix string) bool { return t.byName[prefix+part.name] != nil })
		if i < 0 {
			return Text{}, fmt.Errorf("notify: there is no template of the %s", part.name)
		}
		var err error
		if *part.into, err = Execute(t.byName[prefixes[i]+part.name], v); err != nil {
			return Text{}, err
		}
	}
	if text.Subject = oneLine(text.Subject); text.Subject == "" {
		return Text{}, errors.New("notify: the template of the subject writes nothing")
	}
	return text, nil
}

// Execute returns what a template writes of v, up to 1 MiB.
func Execute(t executor, v any) (string, error) {
	var text bytes.Buffer
	if err := t.Execute(&bounded{&text}, v); err != nil {
		return "", fmt.Errorf("notify: %w", err)
	}
	return text.String(), nil
}

// A bounded writer refuses more than maxText: a template may loop.
type bounded struct{ into *bytes.Buffer }

func (b *bounded) Write(text []byte) (int, error) {
	if b.into.Len()+len(text) > maxText {
		return 0, fmt.Errorf("the template writes more than %d KiB", maxText>>10)
	}
	return b.into.Write(text)
}

// try writes a notice of each kind in each language, and all of them together, so that a fault of a template is found when the
// program starts and not when somebody must be warned.
func (t *Templates) try() error {
	for _, language := range Languages() {
		for _, n := range Samples() {
			if _, err := t.Write(n, language); err != nil {
				return err
			}
		}
		if _, err := t.WriteDigest(Samples(), language); err != nil {
			return err
		}
	}
	return nil
}

// Samples returns a notice of each kind, and one with nothing but its kind.
func Samples() []notify.Notice {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	samples := []notify.Notice{{ID: "n-0", At: at, Kind: notify.Alarm}}
	for _, kind := range notify.Kinds() {
		samples = append(samples, notify.Notice{
			ID: "n-1", At: at, Kind: kind, InstanceKey: "azure-partner-connector", TenantID: "5a0dfa35-2a90-4918-bff2-a5a59ab528ff",
			Name: "Alpine Cloud", Marketplace: "Larkfield", AccountID: "0c9d9fd3-5a8f-4a06-8d4b-0c1a4a1d4a0e", State: token.StateActionRequired,
			Reason: &failure.Record{Code: failure.GrantRevoked, Reference: "7K3MQ2ZD"}, Ends: at.AddDate(0, 0, 80), Days: 80,
			Customers: []notify.CustomerEnd{{Directory: "3d6ff0a2-7d22-4a53-93b1-4a1f1f2a5c11", Name: "Fjord Foods", Ends: at.AddDate(0, 0, 7)}}, Count: 1,
		})
	}
	return samples
}
