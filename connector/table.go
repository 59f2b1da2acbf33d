package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"azure-partner-connector/connector/token"
)

const slogWarn = slog.LevelWarn

// A table is printed with columns that are as wide as their content. Unlike text/tabwriter, it knows that escape sequences of
// colours have no width.
type table struct{ rows [][]string }

func newTable(header ...string) *table { return &table{[][]string{header}} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// widths returns how wide the columns are.
func (t *table) widths() []int {
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], width(cell))
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

// fit shortens the cells of some columns, those of the widest first, until a line has at most terminalWidth characters. Their
// cells have no colour.
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
			if width(row[i]) > widths[i] {
				row[i] = string([]rune(row[i])[:widths[i]-1]) + "…"
			}
		}
	}
}

func (t *table) print(w io.Writer) error {
	widths := t.widths()
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-width(cell)+2))
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// width counts the characters of a cell without its colour.
func width(cell string) int {
	n := utf8.RuneCountInString(cell)
	if strings.HasPrefix(cell, "\x1b[") {
		n -= len("\x1b[31m") + len(uncoloured)
	}
	return n
}

const uncoloured = "\x1b[0m"

// colours paints states for people at a terminal.
type colours bool

// coloured reports whether w is a terminal whose user wants colours (https://no-color.org).
func coloured(w io.Writer) colours {
	return colours(os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w))
}

// isTerminal reports whether w is a terminal, or another device.
func isTerminal(w io.Writer) bool {
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
	return fmt.Sprintf("\x1b[%dm%s%s", colour, s, uncoloured)
}

func minute(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.UTC().Format("2006-01-02 15:04")
}
