package audit

import (
	"fmt"
	"strconv"
	"strings"
)

// A Cursor is a place in the trail. The zero Cursor is before its beginning.
type Cursor struct {
	Checkpoint int64 // that covers the event
	Seq        int64 // of the event
}

// String returns c as ParseCursor reads it.
func (c Cursor) String() string { return fmt.Sprintf("%d.%d", c.Checkpoint, c.Seq) }

// ParseCursor reads what String returned; "" is the beginning.
func ParseCursor(text string) (Cursor, bool) {
	if text == "" {
		return Cursor{}, true
	}
	checkpoint, seq, _ := strings.Cut(text, ".")
	c, err1 := strconv.ParseUint(checkpoint, 10, 63)
	s, err2 := strconv.ParseUint(seq, 10, 63)
	return Cursor{int64(c), int64(s)}, err1 == nil && err2 == nil
}

// A FoundEvent is an event that was read from the trail.
type FoundEvent struct {
	Event
	// Proven reports whether the event is as the connector stored it: its own MAC is right, or a checkpoint that covers it is,
	// with everything else that this checkpoint covers.
	Proven bool
}
