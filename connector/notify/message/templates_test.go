package message_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/notify/message"
)

func files(sources map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, source := range sources {
		out[name] = &fstest.MapFile{Data: []byte(source)}
	}
	return out
}

func TestLoadTemplates_Refuses(t *testing.T) {
	for name, tc := range map[string]struct{ file, source, says string }{
		"a name without a part":   {"alarm.tmpl", "x", "is no template's name"},
		"an unknown kind":         {"alert.subject.tmpl", "x", "is no template's name"},
		"an unknown language":     {"alarm.eo.text.tmpl", "x", "is no template's name"},
		"language before kind":    {"de.alarm.text.tmpl", "x", "is no template's name"},
		"no template":             {"text.tmpl", "{{.Headline", "text.tmpl"},
		"an unknown field":        {"recovery.text.tmpl", "{{.Title}}", "recovery.text.tmpl"},
		"an unknown function":     {"html.tmpl", "{{shout .Headline}}", "html.tmpl"},
		"an empty subject":        {"subject.tmpl", "{{/* nothing */}}", "writes nothing"},
		"a subject, in one case":  {"subject.tmpl", "{{.Code}}", "writes nothing"},
		"more text than a mail":   {"text.tmpl", `{{printf "%1100000s" .Name}}`, "KiB"},
		"a template without end":  {"text.tmpl", "{{define \"a\"}}{{template \"a\" .}}{{end}}{{template \"a\" .}}", "text.tmpl"},
		"a template of 300 KiB":   {"text.tmpl", strings.Repeat("x", 300<<10), "KiB"},
		"what is wrong in German": {"de.html.tmpl", "{{.Nothing}}", "de.html.tmpl"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := message.LoadTemplates(files(map[string]string{tc.file: tc.source}))
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("LoadTemplates() = %v, want an error that says %q", err, tc.says)
			}
		})
	}
}

func TestTemplates_TheMostSpecificWins(t *testing.T) {
	own, err := message.LoadTemplates(files(map[string]string{
		"subject.tmpl": "[{{.Marketplace}}] {{.Headline}}", "de.subject.tmpl": "Achtung", "alarm.subject.tmpl": "Alarm: {{.Name}}\nBcc: x@example.com",
		"alarm.de.subject.tmpl": "Alarm auf Deutsch", "README.md": "nothing", ".alarm.text.tmpl.swp": "nothing",
	}))
	if err != nil {
		t.Fatal(err)
	}
	alarm := message.Samples()[1]
	recovery := alarm
	recovery.Kind = notify.Recovery
	for _, tc := range []struct {
		notice         notify.Notice
		language, want string
	}{
		{alarm, "de", "Alarm auf Deutsch"},
		{alarm, "en", "Alarm: Alpine Cloud Bcc: x@example.com"}, // in one line
		{recovery, "de", "Achtung"},
		{recovery, "", "[Larkfield] The refresh token of Alpine Cloud works again."},
	} {
		text, err := own.Write(tc.notice, tc.language)
		if err != nil || text.Subject != tc.want {
			t.Errorf("Write(%s, %q) has the subject %q, %v, want %q", tc.notice.Kind, tc.language, text.Subject, err, tc.want)
		}
	}
}

// TestTemplates_BuiltIn checks that HTML has what the plain text has, and that a name adds no element.
func TestTemplates_BuiltIn(t *testing.T) {
	builtIn, err := message.LoadTemplates(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range message.Samples() {
		n.Name = "<img src=x onerror=alert(1)>"
		for _, language := range message.Languages() {
			text, err := builtIn.Write(n, language)
			if err != nil {
				t.Fatal(err)
			}
			v, err := message.ViewOf(n, language)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(text.HTML, "<img") {
				t.Errorf("Write(%s, %s) = %s, want the name escaped", n.Kind, language, text.HTML)
			}
			for _, line := range v.Lines {
				if !strings.Contains(text.Plain, line) {
					t.Errorf("Write(%s, %s) = %q, want %q in it", n.Kind, language, text.Plain, line)
				}
			}
			if strings.Count(text.HTML, "<p ") != len(v.Lines) {
				t.Errorf("Write(%s, %s) = %s, want a paragraph for each of %q", n.Kind, language, text.HTML, v.Lines)
			}
		}
	}
}
