package once_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/once"
)

func TestHeader_IsSentOnceAndNotEmpty(t *testing.T) {
	for name, tc := range map[string]struct {
		values []string
		value  string
		sent   bool
		reason string
	}{
		"none":       {nil, "", false, ""},
		"one":        {[]string{" a "}, "a", true, ""},
		"empty":      {[]string{""}, "", true, "the header X-Name is empty"},
		"blank":      {[]string{" \t"}, "", true, "the header X-Name is empty"},
		"two":        {[]string{"a", "b"}, "", true, "the header X-Name is repeated"},
		"twice":      {[]string{"a", "a"}, "", true, "the header X-Name is repeated"},
		"empty, one": {[]string{"", "a"}, "", true, "the header X-Name is repeated"},
	} {
		h := http.Header{}
		for _, value := range tc.values {
			h.Add("X-Name", value)
		}
		value, sent, err := once.Header(h, "X-Name")
		reason := ""
		if err != nil {
			reason = failure.From(err).Params["reason"]
		}
		if value != tc.value || sent != tc.sent || reason != tc.reason || err != nil && !failure.Is(err, failure.BadRequest) {
			t.Errorf("%s: Header() = %q, %t, %v, want %q, %t, %q", name, value, sent, err, tc.value, tc.sent, tc.reason)
		}
	}
}

func TestNames_AreNotRepeatedInAnObject(t *testing.T) {
	for text, want := range map[string]error{
		``:                                  nil,
		`{"a": "a", "b": {"a": ["a", {}]}}`: nil,
		`[{"a": 1}, {"a": 2}]`:              nil,
		`{"a": 1, "a": 1}`:                  once.ErrRepeated,
		`{"a": {"b": 1}, "A": 2}`:           once.ErrRepeated,
		`[{"x": {"b": [], "b": 2}}]`:        once.ErrRepeated,
		`{"a": 1`:                           once.ErrNotJSON,
		`{"a": 1]`:                          once.ErrNotJSON,
		`c4n4ry`:                            once.ErrNotJSON,
	} {
		if got := once.Names([]byte(text), strings.ToLower); !errors.Is(got, want) {
			t.Errorf("Names(%s) = %v, want %v", text, got, want)
		}
	}
}
