// Package chat posts notices to incoming webhooks of chats: Slack, Microsoft Teams, or any other by a template.
package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"text/template"

	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/notify/message"
	"azure-partner-connector/connector/notify/webhook"
	"azure-partner-connector/connector/secret"
)

// The values of Config.Format.
const (
	Slack    = "slack"    // {"text": …} in Slack's mrkdwn; Mattermost and Rocket.Chat read it, too
	Teams    = "teams"    // an Adaptive Card, as the webhook of a Teams workflow reads it
	Template = "template" // what Config.Template writes
)

// Config is what a Channel needs.
type Config struct {
	// URL is the address of the incoming webhook. It is a secret: whoever has it can write into the chat. Required.
	URL secret.Text

	// Format is Slack, Teams or Template. Required.
	Format string

	// Template is the source of a text template that writes JSON from a message.View. Its function json writes a value as JSON.
	// Required for the format Template, and allowed only there.
	Template string

	// Language is one of message.Languages. Default: English.
	Language string

	// HTTP sends the requests. It must have a timeout and not follow redirects. Required.
	HTTP *http.Client
}

// A Channel posts each notice as one message. It is safe for concurrent use.
type Channel struct {
	cfg  Config
	body Body
}

// New checks cfg and tries the template with a notice of each kind. It sends nothing.
func New(cfg Config) (*Channel, error) {
	if cfg.URL.Empty() || cfg.HTTP == nil {
		return nil, errors.New("chat: a URL and an HTTP client are required")
	}
	body, err := Check(cfg)
	if err != nil {
		return nil, err
	}
	return &Channel{cfg, body}, nil
}

// A Body writes what a chat receives.
type Body func(v message.View) ([]byte, error)

// Check returns what writes the bodies of a configuration, after it has tried it with a notice of each kind. It needs neither
// the URL nor the client.
func Check(cfg Config) (Body, error) {
	if (cfg.Format == Template) != (cfg.Template != "") {
		return nil, errors.New("chat: the format template needs a template, and no other format has one")
	}
	var body Body
	switch cfg.Format {
	case Slack:
		body = slack
	case Teams:
		body = teams
	case Template:
		own, err := template.New("chat").Option("missingkey=error").Funcs(message.Functions()).Funcs(template.FuncMap{"json": quote}).Parse(cfg.Template)
		if err != nil {
			return nil, fmt.Errorf("chat: %w", err)
		}
		body = func(v message.View) ([]byte, error) { return written(own, v) }
	default:
		return nil, fmt.Errorf("chat: unknown format %q", cfg.Format)
	}
	for _, n := range message.Samples() {
		if _, err := body.of(n, cfg.Language); err != nil {
			return nil, err
		}
	}
	return body, nil
}

func quote(value any) (string, error) {
	text, err := json.Marshal(value)
	return string(text), err
}

func (b Body) of(n notify.Notice, language string) ([]byte, error) {
	v, err := message.ViewOf(n, language)
	if err != nil {
		return nil, err
	}
	return b(v)
}

// written writes v by a template of the operator.
func written(t *template.Template, v message.View) ([]byte, error) {
	body, err := message.Execute(t, v)
	if err != nil {
		return nil, fmt.Errorf("chat: %w", err)
	}
	if !json.Valid([]byte(body)) {
		return nil, fmt.Errorf("chat: the template writes no JSON for the kind %s: quote texts with the function json", v.Kind)
	}
	return []byte(body), nil
}

// slack returns the body for an incoming webhook of Slack, which reads & < and > as markup
// (docs/reference/notifications.md#chat).
func slack(v message.View) ([]byte, error) {
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace
	lines := append([]string{"*" + escape(strings.ReplaceAll(v.Headline, "*", "∗")) + "*"}, v.Lines...)
	for i := range lines[1:] {
		lines[i+1] = escape(lines[i+1])
	}
	var facts []string
	for _, fact := range v.Facts {
		facts = append(facts, escape(fact.Name+": "+fact.Value))
	}
	if len(facts) > 0 {
		lines = append(lines, strings.Join(facts, " · "))
	}
	return json.Marshal(map[string]string{"text": strings.Join(lines, "\n")})
}

// A block is an element of an Adaptive Card.
type block struct {
	Type   string      `json:"type"`
	Text   string      `json:"text,omitempty"`
	Weight string      `json:"weight,omitempty"`
	Size   string      `json:"size,omitempty"`
	Wrap   bool        `json:"wrap,omitempty"`
	Facts  []cardEntry `json:"facts,omitempty"`
}

type cardEntry struct {
	Title string `json:"title"`
	Value string `json:"value"`
}

// teams returns the body for a workflow of Teams that posts a card when it receives a request.
func teams(v message.View) ([]byte, error) {
	// The blocks of a card are Markdown: a name must not make a link of a text.
	escape := strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, "*", `\*`, "_", `\_`, "`", "\\`").Replace
	blocks := []block{{Type: "TextBlock", Text: escape(v.Headline), Weight: "Bolder", Size: "Medium", Wrap: true}}
	for _, line := range v.Lines {
		blocks = append(blocks, block{Type: "TextBlock", Text: escape(line), Wrap: true})
	}
	facts := block{Type: "FactSet"}
	for _, fact := range v.Facts {
		facts.Facts = append(facts.Facts, cardEntry{fact.Name, escape(fact.Value)})
	}
	if len(facts.Facts) > 0 {
		blocks = append(blocks, facts)
	}
	return json.Marshal(map[string]any{"type": "message", "attachments": []any{map[string]any{
		"contentType": "application/vnd.microsoft.card.adaptive",
		"content":     map[string]any{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": blocks},
	}}})
}

// Name implements notify.Channel.
func (c *Channel) Name() string { return "chat" }

// Audience implements notify.Channel.
func (c *Channel) Audience() notify.Audience { return notify.Provider }

// Reach implements notify.Reacher.
func (c *Channel) Reach(ctx context.Context) error {
	return webhook.Reach(ctx, c.cfg.HTTP, c.cfg.URL.Reveal())
}

// Send implements notify.Channel. Its errors do not contain the URL.
func (c *Channel) Send(ctx context.Context, n notify.Notice) error {
	body, err := c.body.of(n, c.cfg.Language)
	if err != nil {
		return fmt.Errorf("%w: %w", notify.ErrUndeliverable, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.URL.Reveal(), bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL of the chat is invalid")
	}
	req.Header.Set("Content-Type", "application/json")
	if err := webhook.Post(c.cfg.HTTP, req); err != nil {
		return fmt.Errorf("posting to the chat: %w", err)
	}
	return nil
}
