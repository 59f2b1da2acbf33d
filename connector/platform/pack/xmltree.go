package pack

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// An element is one element of a document.
type element struct {
	space, name string
	line        int
	attrs       map[string]string // local name → value; without namespace declarations
	text        string            // its own character data, trimmed
	children    []*element
}

// maxDepth is how deep elements may nest. Deeper ones could exhaust the stack.
const maxDepth = 32

// parseXML reads a document into elements. encoding/xml resolves no external entities.
func parseXML(content []byte) (*element, error) {
	decoder := xml.NewDecoder(bytes.NewReader(content))
	var open []*element
	var root *element
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			line, _ := decoder.InputPos()
			e, err := newElement(t, line)
			if err != nil {
				return nil, err
			}
			switch {
			case len(open) == maxDepth:
				return nil, fmt.Errorf("line %d: elements nest too deep", line)
			case len(open) > 0:
				parent := open[len(open)-1]
				parent.children = append(parent.children, e)
			case root != nil:
				return nil, fmt.Errorf("line %d: a second root element", line)
			default:
				root = e
			}
			open = append(open, e)
		case xml.EndElement:
			last := open[len(open)-1]
			last.text = strings.TrimSpace(last.text)
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(t)
			}
		case xml.Directive:
			return nil, errors.New("a document type declaration is not allowed")
		}
	}
	if root == nil {
		return nil, errors.New("there is no element")
	}
	return root, nil
}

func newElement(start xml.StartElement, line int) (*element, error) {
	e := &element{space: start.Name.Space, name: start.Name.Local, line: line, attrs: make(map[string]string)}
	for _, a := range start.Attr {
		if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" && a.Name.Space == "" {
			continue
		}
		if _, ok := e.attrs[a.Name.Local]; ok {
			return nil, fmt.Errorf("line %d: the attribute %s is repeated", line, a.Name.Local)
		}
		e.attrs[a.Name.Local] = a.Value
	}
	return e, nil
}

// child returns the first child with a name, or nil.
func (e *element) child(name string) *element {
	if e == nil {
		return nil
	}
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// attr returns an attribute, or "".
func (e *element) attr(name string) string {
	if e == nil {
		return ""
	}
	return e.attrs[name]
}

// all returns the children with a name.
func (e *element) all(name string) []*element {
	var same []*element
	if e != nil {
		for _, c := range e.children {
			if c.name == name {
				same = append(same, c)
			}
		}
	}
	return same
}

// walk calls visit for e and everything below it, parents first.
func (e *element) walk(visit func(*element)) {
	if e == nil {
		return
	}
	visit(e)
	for _, c := range e.children {
		c.walk(visit)
	}
}

// textOf returns the text of the first child with a name, or "".
func (e *element) textOf(name string) string {
	if c := e.child(name); c != nil {
		return c.text
	}
	return ""
}
