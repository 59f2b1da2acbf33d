package rql_test

import (
	"errors"
	"strings"
	"testing"

	"azure-partner-connector/connector/platform/rql"

	"github.com/google/go-cmp/cmp"
)

func TestParse_Refuses(t *testing.T) {
	for _, query := range []string{
		"eq(a,b", "eq(a,b))", "(a)", "1x(a)", "eq(a,b)c", "eq(a,%zz)", ")", strings.Repeat("and(", 40) + strings.Repeat(")", 40),
	} {
		t.Run(query, func(t *testing.T) {
			if got, err := rql.Parse(query); err == nil {
				t.Errorf("Parse(%q) = %v, want an error", query, got)
			}
		})
	}
}

func TestParse_ReadsFunctionsAndInfix(t *testing.T) {
	value := func(v string) rql.Term { return rql.Term{Value: v} }
	call := func(name string, args ...rql.Term) rql.Term {
		return rql.Term{Function: name, Args: append([]rql.Term{}, args...)}
	}
	for query, want := range map[string][]rql.Term{
		"": nil,
		"implementing(http://a.test/t/1.0),limit(0,10)":     {call("implementing", value("http://a.test/t/1.0")), call("limit", value("0"), value("10"))},
		"implementing(http%3A//a.test/t/1.0)&eq(a.b,c%20d)": {call("implementing", value("http://a.test/t/1.0")), call("eq", value("a.b"), value("c d"))},
		"version=ge=1.0,release=7":                          {call("ge", value("version"), value("1.0")), call("eq", value("release"), value("7"))},
		"eq(_is_reseller, true())":                          {call("eq", value("_is_reseller"), call("true"))},
	} {
		t.Run(query, func(t *testing.T) {
			got, err := rql.Parse(query)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("Parse(%q) = %v (-want +got):\n%s", query, err, diff)
			}
		})
	}
}

func TestMatch_EvaluatesEveryFunction(t *testing.T) {
	values := map[string]any{"aps.id": "x1", "n": 3.0, "version": "1.10", "flag": true}
	lookup := func(name string) any { return values[name] }
	types := rql.Types{
		Implementing: func(id string) bool { return id == "http://a.test/t/1.0" },
		Composing:    func(id string) bool { return id == "http://a.test/u/1.0" },
	}
	for query, want := range map[string]bool{
		"":                                     true,
		"implementing(http://a.test/t/1.0)":    true,
		"implementing(http://a.test/t/2.0)":    false,
		"eq(aps.id,x1),eq(n,3)":                true,
		"eq(aps.id,x1),eq(n,4)":                false,
		"ne(aps.id,x1)":                        false,
		"in(aps.id,(x0,x1))":                   true,
		"in(aps.id,(x0,x2))":                   false,
		"out(aps.id,(x0,x2))":                  true,
		"out(aps.id,(x0,x1))":                  false,
		"composing(http://a.test/u/1.0)":       true,
		"composing(http://a.test/t/1.0)":       false,
		"like(aps.id,*1)":                      true,
		"version=ge=1.9":                       true,
		"version=gt=1.10":                      false,
		"lt(n,10)":                             true,
		"le(n,3),gt(n,2)":                      true,
		"or(eq(n,4),eq(n,3))":                  true,
		"or(eq(n,4),eq(n,5))":                  false,
		"not(eq(n,4))":                         true,
		"and(eq(n,3),eq(flag,true()))":         true,
		"eq(absent,)":                          true,
		"false()":                              false,
		"true(),select(a),sort(+a),limit(0,1)": true,
	} {
		t.Run(query, func(t *testing.T) {
			terms, err := rql.Parse(query)
			if err != nil {
				t.Fatalf("Parse(%q) = %v", query, err)
			}
			if got, err := rql.Match(terms, lookup, types); err != nil || got != want {
				t.Errorf("Match(%q) = %t, %v, want %t", query, got, err, want)
			}
		})
	}
	for _, query := range []string{"near(a,b)", "bare", "eq(a)", "implementing()", "composing()"} {
		terms, err := rql.Parse(query)
		if err != nil {
			t.Fatalf("Parse(%q) = %v", query, err)
		}
		if got, err := rql.Match(terms, lookup, types); err == nil {
			t.Errorf("Match(%q) = %t, want an error", query, got)
		}
	}
	if _, err := rql.Match([]rql.Term{{Function: "near", Args: make([]rql.Term, 2)}}, lookup, types); !errors.Is(err, rql.ErrUnknown) {
		t.Errorf("Match(near) = %v, want ErrUnknown", err)
	}
}

func TestCheck_RefusesWhatItDoesNotKnow(t *testing.T) {
	for query, want := range map[string]string{
		"": "", "eq(_is_reseller, true())": "", "or(eq(a,b),not(in(c,(d,e)))),limit(3)": "", "a=ge=1": "",
		"bare": "bare value", "near(a,b)": "near", "eq(a)": "1 arguments", "and(eq(a,b),near(c,d))": "near", "not()": "not",
	} {
		terms, err := rql.Parse(query)
		if err == nil {
			err = rql.Check(terms)
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("Check(%q) = %v, want %q", query, err, want)
		}
	}
}

func TestNames_AreTheComparedProperties(t *testing.T) {
	terms, err := rql.Parse("eq(a.b,c),or(not(in(d,(e,f))),g=gt=1),sort(+h),implementing(http://a.test/t/1.0)")
	if diff := cmp.Diff([]string{"a.b", "d", "g"}, rql.Names(terms)); err != nil || diff != "" {
		t.Errorf("Names() = %v (-want +got):\n%s", err, diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("implementing(http://a.test/t/1.0),eq(aps.id,x),select(organization)")
	f.Add("a=eq=b&c=d")
	f.Fuzz(func(t *testing.T, query string) {
		terms, err := rql.Parse(query)
		if (err != nil) == (terms != nil) && query != "" {
			t.Errorf("Parse(%q) = %v, %v, want either terms or an error", query, terms, err)
		}
	})
}
