package xmlrpc

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// A node is one element with its own text. Only text of elements without children matters in this format.
type node struct {
	name     string
	text     string
	children []*node
}

// DecodeCall reads a call. Its parameters are never nil.
func DecodeCall(message []byte) (method string, params []any, err error) {
	root, err := parse(message, "methodCall")
	if err != nil {
		return "", nil, err
	}
	name := root.child("methodName")
	if name == nil || strings.TrimSpace(name.text) == "" {
		return "", nil, errors.New("reading XML-RPC: no method name")
	}
	params = []any{}
	if list := root.child("params"); list != nil {
		for _, p := range list.children {
			value, err := onlyValue(p, "param")
			if err != nil {
				return "", nil, err
			}
			params = append(params, value)
		}
	}
	return strings.TrimSpace(name.text), params, nil
}

// DecodeAnswer reads an answer. A fault is returned as a *Fault error.
func DecodeAnswer(message []byte) (any, error) {
	root, err := parse(message, "methodResponse")
	if err != nil {
		return nil, err
	}
	if len(root.children) != 1 {
		return nil, errors.New("reading XML-RPC: an answer has either one value or one fault")
	}
	body := root.children[0]
	switch {
	case body.name == "fault":
		value, err := onlyValue(body, "fault")
		if err != nil {
			return nil, err
		}
		members, _ := value.(map[string]any)
		code, _ := members["faultCode"].(int)
		text, _ := members["faultString"].(string)
		return nil, &Fault{Code: code, Message: text}
	case body.name == "params" && len(body.children) == 1:
		return onlyValue(body.children[0], "param")
	}
	return nil, errors.New("reading XML-RPC: an answer has either one value or one fault")
}

// parse reads a message into nodes and checks the name of the root.
func parse(message []byte, want string) (*node, error) {
	decoder := xml.NewDecoder(bytes.NewReader(message))
	top := &node{}
	open := []*node{top}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading XML-RPC: %w", err)
		}
		last := open[len(open)-1]
		switch t := token.(type) {
		case xml.StartElement:
			n := &node{name: t.Name.Local}
			last.children = append(last.children, n)
			// A value takes up to four elements per level: value, struct, member, value.
			if open = append(open, n); len(open) > 4*maxDepth+8 {
				return nil, errors.New("reading XML-RPC: the value nests too deep")
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			last.text += string(t)
		case xml.Directive:
			return nil, errors.New("reading XML-RPC: a document type declaration is not allowed")
		}
	}
	if len(top.children) != 1 || top.children[0].name != want {
		return nil, fmt.Errorf("reading XML-RPC: the message is not a %s", want)
	}
	return top.children[0], nil
}

func (n *node) child(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// onlyValue returns the single value in n, an element of the given name.
func onlyValue(n *node, name string) (any, error) {
	if n.name != name || len(n.children) != 1 || n.children[0].name != "value" {
		return nil, fmt.Errorf("reading XML-RPC: %s must have one value", name)
	}
	return n.children[0].value()
}

func (n *node) value() (any, error) {
	if len(n.children) == 0 {
		return n.text, nil // a value without a type is a string
	}
	if len(n.children) > 1 {
		return nil, errors.New("reading XML-RPC: a value has one element")
	}
	typed := n.children[0]
	switch typed.name {
	case "array":
		return typed.array()
	case "struct":
		return typed.structure()
	}
	if len(typed.children) > 0 {
		return nil, fmt.Errorf("reading XML-RPC: %s has elements", typed.name)
	}
	value, err := scalar(typed.name, typed.text)
	if err != nil {
		return nil, fmt.Errorf("reading XML-RPC: %s: %w", typed.name, err)
	}
	return value, nil
}

func scalar(name, text string) (any, error) {
	trimmed := strings.TrimSpace(text)
	switch name {
	case "nil":
		return nil, nil
	case "string":
		return text, nil
	case "boolean":
		switch trimmed {
		case "1", "true":
			return true, nil
		case "0", "false":
			return false, nil
		}
		return nil, errors.New("neither 0 nor 1")
	case "int", "i4", "i8":
		return strconv.Atoi(trimmed)
	case "double":
		return strconv.ParseFloat(trimmed, 64)
	case "base64":
		// Encoders break lines.
		return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	case "dateTime.iso8601":
		return time.Parse(timeLayout, trimmed)
	}
	return nil, errors.New("no such type")
}

func (n *node) array() (any, error) {
	if len(n.children) != 1 || n.children[0].name != "data" {
		return nil, errors.New("reading XML-RPC: array must have data")
	}
	items := []any{}
	for _, c := range n.children[0].children {
		if c.name != "value" {
			return nil, errors.New("reading XML-RPC: data must have values")
		}
		item, err := c.value()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

func (n *node) structure() (any, error) {
	members := make(map[string]any)
	for _, m := range n.children {
		if m.name != "member" || len(m.children) != 2 || m.children[0].name != "name" || m.children[1].name != "value" {
			return nil, errors.New("reading XML-RPC: struct must have members of a name and a value")
		}
		name := m.children[0].text
		if _, twice := members[name]; twice {
			return nil, errors.New("reading XML-RPC: a member is repeated")
		}
		value, err := m.children[1].value()
		if err != nil {
			return nil, err
		}
		members[name] = value
	}
	return members, nil
}
