package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"azure-partner-connector/connector/token"
)

const slogWarn = slog.LevelWarn

// A table is printed with columns that are as wide as their content.
type table struct {
	rows [][]string
	// paint returns a cell of the first column in its colour. Default: the cell as it is.
	paint func(cell string) string
}

func newTable(header ...string) *table { return &table{rows: [][]string{header}} }

func (t *table) add(cells ...string) {
	for i, cell := range cells {
		cells[i] = harmless(cell)
	}
	t.rows = append(t.rows, cells)
}

// harmless replaces what a terminal would obey instead of showing it, and what would end a line: names come from the platform, and
// from Microsoft.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if obeyed(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// oneLine is harmless for texts that may have several lines, such as errors of several causes.
func oneLine(text string) string { return harmless(strings.ReplaceAll(text, "\n", "; ")) }

func obeyed(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

// A screen is where people read: it replaces what a terminal would obey instead of showing it, but for the ends of lines, tabs, and
// our own colours. What programs read is written to forPrograms.
type screen struct{ io.Writer }

// Write implements io.Writer. Texts come whole, so that no character is cut in two.
func (s screen) Write(text []byte) (int, error) {
	shown := strings.Map(func(r rune) rune {
		if obeyed(r) && r != '\n' && r != '\t' && r != escape {
			return unicode.ReplacementChar
		}
		return r
	}, string(text))
	if strings.ContainsRune(shown, escape) {
		shown = withoutSequences(shown)
	}
	if _, err := io.WriteString(s.Writer, shown); err != nil {
		return 0, err
	}
	return len(text), nil
}

// escape begins a sequence that a terminal obeys.
const escape = '\x1b'

// withoutSequences replaces every escape but those of our colours.
func withoutSequences(text string) string {
	var kept strings.Builder
	for {
		before, after, found := strings.Cut(text, string(escape))
		kept.WriteString(before)
		if !found {
			return kept.String()
		}
		ours := colourSequence.FindString(string(escape) + after)
		if ours == "" {
			kept.WriteRune(unicode.ReplacementChar)
			text = after
			continue
		}
		kept.WriteString(ours)
		text = after[len(ours)-1:]
	}
}

var colourSequence = regexp.MustCompile("^\x1b\\[(0|31|32|33)m")

// forPrograms returns where what programs read is written as it is. At a terminal, people read that, too.
func forPrograms(w io.Writer) io.Writer {
	if s, ok := w.(screen); ok && !isTerminal(w) {
		return s.Writer
	}
	return w
}

// widths returns how wide the columns are.
func (t *table) widths() []int {
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

const (
	// terminalWidth is how wide a table may be at a terminal.
	terminalWidth = 120
	// shortest is what fit leaves of a cell at least.
	shortest = 12
)

// fit shortens the cells of some columns, those of the widest first, until a line has at most terminalWidth characters.
func (t *table) fit(columns ...int) {
	widths := t.widths()
	line := 2 * (len(widths) - 1)
	for _, w := range widths {
		line += w
	}
	for ; line > terminalWidth; line-- {
		widest := columns[0]
		for _, i := range columns {
			if widths[i] > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= shortest {
			break
		}
		widths[widest]--
	}
	for _, row := range t.rows {
		for _, i := range columns {
			if letters := []rune(row[i]); len(letters) > widths[i] {
				row[i] = string(letters[:widths[i]-1]) + "…"
			}
		}
	}
}

func (t *table) print(w io.Writer) error {
	widths := t.widths()
	for n, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			space := widths[i] - utf8.RuneCountInString(cell) + 2
			if n > 0 && i == 0 && t.paint != nil {
				cell = t.paint(cell)
			}
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", space))
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// colours paints states for people at a terminal.
type colours bool

// coloured reports whether w is a terminal whose user wants colours (https://no-color.org).
func coloured(w io.Writer) colours {
	return colours(os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w))
}

// isTerminal reports whether w is a terminal, or another device.
func isTerminal(w io.Writer) bool {
	if s, ok := w.(screen); ok {
		w = s.Writer
	}
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (c colours) state(s token.State) string {
	if !c {
		return string(s)
	}
	colour := 33 // yellow
	switch s {
	case token.StateActive:
		colour = 32
	case token.StateExpired, token.StateActionRequired, token.StateMisconfigured:
		colour = 31
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, s)
}

func minute(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.UTC().Format("2006-01-02 15:04")
}
